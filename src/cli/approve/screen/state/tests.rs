//! Keys, and questions that come and go under them.

use std::time::Duration;

use super::*;
use crate::approval::view;

fn question(id: u64, version: u32) -> Shown {
    Shown {
        id,
        version,
        command: vec!["rm".into(), format!("{id}")],
        trees: vec![format!("/w/{id}/{version}")],
        asked: i64::try_from(id).expect("small"),
        ..view::tests::question()
    }
}

/// A screen, and a clock that goes on when it is told.
struct Test {
    state: State,
    now: Instant,
}

impl Test {
    /// Shows questions, and waits until keys count.
    fn new(questions: &[(u64, u32)]) -> Test {
        let mut test = Test { state: State::default(), now: Instant::now() };
        test.show(questions);
        test.pass(QUIET);
        test
    }

    fn show(&mut self, questions: &[(u64, u32)]) {
        self.state.take(questions.iter().map(|(id, version)| question(*id, *version)).collect(), 1);
        self.state.drawn(self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn key(&mut self, code: KeyCode) -> Act {
        self.state.press(KeyEvent::new(code, KeyModifiers::NONE), self.now)
    }

    /// Types letters, of which the last does what is given.
    fn letters(&mut self, letters: &str) -> Act {
        letters.chars().fold(Act::None, |_, letter| self.key(KeyCode::Char(letter)))
    }

    fn current(&self) -> u64 {
        self.state.current().expect("a question").id
    }
}

const NO: Act = Act::Answer(Answer::No { reason: None });

#[test]
fn each_key_is_one_answer() {
    for (key, act) in [
        ("n", NO),
        ("o", Act::Answer(Answer::Once)),
        ("c", Act::Answer(Answer::Command)),
        ("p", Act::Answer(Answer::Path)),
        ("q", Act::Quit),
        ("t", Act::None),
        ("y", Act::None),
        ("N", Act::None),
    ] {
        assert_eq!(Test::new(&[(1, 0)]).letters(key), act, "{key}");
        assert_eq!(Test::new(&[]).letters(key), if key == "q" { Act::Quit } else { Act::None }, "{key}");
    }
    let mut test = Test::new(&[(1, 0)]);
    for (letter, act) in [('c', Act::Quit), ('z', Act::Stop), ('o', Act::None), ('n', Act::None)] {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(test.state.press(key, test.now), act, "{letter}");
    }
}

#[test]
fn a_reason_is_typed_and_goes_with_a_no() {
    let mut test = Test::new(&[(1, 0)]);
    assert_eq!(test.letters("t"), Act::None);
    assert_eq!(test.key(KeyCode::Enter), Act::None);
    assert_eq!(test.letters("not q"), Act::None);
    test.state.paste("my\n\u{1b}own");
    test.key(KeyCode::Backspace);
    let said = Answer::No { reason: Some("not qmy ow".into()) };
    assert_eq!(test.key(KeyCode::Enter), Act::Answer(said));
    test.key(KeyCode::Esc);
    assert_eq!(test.letters("n"), NO);
    test.state.paste("o");
    assert_eq!(test.state.reason, None);
}

#[test]
fn keys_do_not_count_as_long_as_somebody_types() {
    let mut test = Test::new(&[]);
    test.show(&[(1, 0)]);
    for letter in "nocpqjk".chars() {
        test.pass(QUIET - Duration::from_millis(1));
        assert_eq!(test.key(KeyCode::Char(letter)), Act::None);
        assert!(test.state.was_early);
    }
    test.pass(QUIET);
    assert_eq!(test.letters("o"), Act::Answer(Answer::Once));
    // What is not drawn yet cannot be answered, however long that takes.
    test.state.take(vec![question(2, 0)], 1);
    test.pass(QUIET * 9);
    assert_eq!(test.letters("o"), Act::None);
}

#[test]
fn what_grows_or_comes_under_the_cursor_is_new() {
    let mut test = Test::new(&[(1, 0), (2, 0)]);
    test.show(&[(1, 1), (2, 0)]);
    assert!(test.state.notice.contains("more to it"), "{}", test.state.notice);
    assert_eq!(test.letters("o"), Act::None);
    test.pass(QUIET);
    assert_eq!(test.letters("n"), NO);
    test.state.answered("No".into());
    test.state.drawn(test.now);
    assert_eq!((test.current(), test.letters("n")), (2, Act::None));
    test.pass(QUIET);
    // One that comes elsewhere disturbs nobody.
    test.show(&[(2, 0), (3, 0)]);
    assert_eq!(test.letters("n"), NO);
    // The next one is new all the same.
    assert_eq!((test.letters("j"), test.current(), test.letters("o")), (Act::None, 3, Act::None));
    test.pass(QUIET);
    assert_eq!(
        (test.letters("k"), test.current(), test.letters("o")),
        (Act::None, 2, Act::Answer(Answer::Once))
    );
    test.state.failed("why".into());
    test.state.drawn(test.now);
    assert_eq!(test.letters("o"), Act::None);
}

#[test]
fn the_cursor_stays_with_its_question() {
    let mut test = Test::new(&[(2, 0), (3, 0)]);
    test.key(KeyCode::Down);
    test.key(KeyCode::Down);
    assert_eq!(test.current(), 3);
    test.show(&[(1, 0), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(test.current(), 3);
    test.letters("t");
    test.show(&[(1, 0), (4, 0)]);
    assert_eq!((test.current(), test.state.reason.take()), (4, None));
    assert!(test.state.notice.contains("Nobody asks that any more: rm 3"), "{}", test.state.notice);
    test.show(&[]);
    assert_eq!(test.state.current(), None);
}

#[test]
fn pages_end_where_the_details_do() {
    let mut test = Test::new(&[(1, 0), (2, 0)]);
    test.state.page = (10, 25);
    let scrolled = [
        KeyCode::PageDown,
        KeyCode::PageDown,
        KeyCode::PageDown,
        KeyCode::PageUp,
        KeyCode::Home,
        KeyCode::End,
    ];
    let scrolled = scrolled.map(|code| {
        test.key(code);
        test.state.scroll
    });
    assert_eq!(scrolled, [10, 20, 25, 15, 0, 25]);
    test.key(KeyCode::Down);
    assert_eq!(test.state.scroll, 0);
}
