//! Calls that the broker serves answer as the kernel would, inside the jail
//! and outside: by hand for odd arguments (`odd`), and for random sequences of
//! calls over a small world of names (`random`).

mod calls;
pub mod odd;
mod paths;
mod perform;
mod random;
mod refused;
pub mod small_world;
mod values;

pub use calls::{Step, sequence};
pub use odd::ATTACKS as ODD;
pub use paths::Chance;
pub use perform::{Manner, Performer};
pub use random::ATTACKS as RANDOM;
