//! Races that do not depend on luck with the scheduler.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Two threads that go together: in each turn the one acts and the other swaps,
/// so that no turn is lost because the other does not run.
pub struct Pair {
    /// Goes up by four in a turn: called, ready, gone, swapped.
    state: AtomicUsize,
    over: AtomicBool,
    /// How long the last act and the last swap took, in nanoseconds.
    spans: [AtomicUsize; 2],
    /// Whether the act may come after the swap as well.
    either_first: bool,
}

impl Pair {
    /// Attacks while `swap` is told, in turn, to swap and to swap back, at some
    /// moment of the act.
    pub fn race(swap: impl Fn(bool) + Sync, attack: impl FnOnce(&Pair)) {
        Pair::start(false, swap, attack);
    }

    /// The same where the swap may take as long as the act, so that in every
    /// other turn it starts first.
    pub fn race_either_first(swap: impl Fn(bool) + Sync, attack: impl FnOnce(&Pair)) {
        Pair::start(true, swap, attack);
    }

    fn start(either_first: bool, swap: impl Fn(bool) + Sync, attack: impl FnOnce(&Pair)) {
        let state = AtomicUsize::new(0);
        let pair = Pair { state, over: AtomicBool::new(false), spans: Default::default(), either_first };
        std::thread::scope(|scope| {
            scope.spawn(|| pair.swap_in_each_turn(&swap));
            attack(&pair);
            pair.over.store(true, Ordering::SeqCst);
        });
    }

    fn swap_in_each_turn(&self, swap: &impl Fn(bool)) {
        for turn in 0.. {
            if !self.wait_for(turn * 4 + 1) {
                return;
            }
            self.state.store(turn * 4 + 2, Ordering::SeqCst);
            self.wait_for(turn * 4 + 3);
            self.idle(0, turn);
            let start = Instant::now();
            swap(turn.is_multiple_of(2));
            self.spans[1].store(start.elapsed().subsec_nanos() as usize, Ordering::SeqCst);
            self.state.store(turn * 4 + 4, Ordering::SeqCst);
        }
    }

    /// Acts while the other thread swaps once.
    pub fn turn(&self, act: impl FnOnce() -> i64) -> i64 {
        let turn = self.state.load(Ordering::SeqCst) / 4;
        self.state.store(turn * 4 + 1, Ordering::SeqCst);
        self.wait_for(turn * 4 + 2);
        self.state.store(turn * 4 + 3, Ordering::SeqCst);
        self.idle(1, turn);
        let start = Instant::now();
        let result = act();
        self.spans[0].store(start.elapsed().subsec_nanos() as usize, Ordering::SeqCst);
        self.wait_for(turn * 4 + 4);
        result
    }

    /// Waits for the other; false where nothing more will come. Whoever gave way
    /// at once would come back late on a busy machine.
    fn wait_for(&self, state: usize) -> bool {
        for round in 1_u32.. {
            if self.state.load(Ordering::SeqCst) == state {
                return true;
            }
            if self.over.load(Ordering::SeqCst) {
                return false;
            }
            if round.is_multiple_of(2000) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        false
    }

    /// Waits for some part of twice what the other last took, if it is this one's
    /// turn to come later. Two turns in a row, so that it is so for either way
    /// of swapping.
    fn idle(&self, other: usize, turn: usize) {
        let start = Instant::now();
        let later = if self.either_first && turn / 2 % 2 == 1 { 1 } else { 0 };
        if later != other {
            return;
        }
        let random = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        let moment = (2 * self.spans[other].load(Ordering::SeqCst) * random) >> 16;
        while start.elapsed().as_nanos() < moment as u128 {
            std::hint::spin_loop();
        }
    }
}
