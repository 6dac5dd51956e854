//! Races that do not depend on luck with the scheduler.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Two threads that go together: in each turn the one acts, and the other swaps
/// at some moment of it, so that no turn is lost because the other does not run.
pub struct Pair {
    turn: AtomicUsize,
    over: AtomicBool,
    /// How long the last act took, in nanoseconds.
    span: AtomicUsize,
}

impl Pair {
    /// Attacks while `swap` is told, in turn, to swap and to swap back.
    pub fn race(swap: impl Fn(bool) + Sync, attack: impl FnOnce(&Pair)) {
        let pair =
            Pair { turn: AtomicUsize::new(0), over: AtomicBool::new(false), span: AtomicUsize::new(0) };
        std::thread::scope(|scope| {
            scope.spawn(|| pair.swap_in_each_turn(&swap));
            attack(&pair);
            pair.over.store(true, Ordering::SeqCst);
        });
    }

    fn swap_in_each_turn(&self, swap: &impl Fn(bool)) {
        let mut random = 1_usize;
        while !self.over.load(Ordering::SeqCst) {
            let turn = self.turn.load(Ordering::SeqCst);
            if turn.is_multiple_of(2) {
                std::thread::yield_now();
                continue;
            }
            let start = Instant::now();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let moment = (self.span.load(Ordering::SeqCst) * (random >> 48)) >> 16;
            while start.elapsed().as_nanos() < moment as u128 {
                std::hint::spin_loop();
            }
            swap(turn % 4 == 1);
            self.turn.store(turn + 1, Ordering::SeqCst);
        }
    }

    /// Acts while the other thread swaps once.
    pub fn turn(&self, act: impl FnOnce() -> i64) -> i64 {
        let start = Instant::now();
        let turn = self.turn.fetch_add(1, Ordering::SeqCst) + 1;
        let result = act();
        self.span.store(start.elapsed().subsec_nanos() as usize, Ordering::SeqCst);
        while self.turn.load(Ordering::SeqCst) == turn {
            std::thread::yield_now();
        }
        result
    }
}
