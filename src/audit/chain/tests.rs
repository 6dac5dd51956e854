//! Whatever is done to a log shows.

use proptest::prelude::*;

use super::*;

/// The sealed lines of a log with so many calls, each with its end.
fn sealed(calls: usize, is_closed: bool) -> Vec<String> {
    let mut kinds = vec!["start"];
    kinds.extend(vec!["call"; calls]);
    kinds.extend(is_closed.then_some("end"));
    let mut link = Link::start();
    let line = |(seq, kind): (usize, &&str)| {
        let body = format!("{{\"seq\":{seq},\"kind\":\"{kind}\",\"path\":\"/x{}\"}}", seq / 2);
        let (line, next) = seal(&link, &body);
        link = next;
        format!("{line}\n")
    };
    kinds.iter().enumerate().map(line).collect()
}

fn state(lines: &[String]) -> State {
    check(lines.concat().as_bytes())
}

fn is_broken(state: &State) -> bool {
    matches!(state, State::Broken { .. })
}

/// A log, its lines.
fn log() -> impl Strategy<Value = Vec<String>> {
    (0..7_usize, any::<bool>()).prop_map(|(calls, is_closed)| sealed(calls, is_closed))
}

#[test]
fn a_log_is_closed_by_its_end() {
    assert_eq!(state(&sealed(2, true)), State::Closed);
    assert_eq!(state(&sealed(0, true)), State::Closed);
    assert_eq!(state(&sealed(2, false)), State::Open { torn: false });
    assert_eq!(check(b""), State::Open { torn: false });
}

#[test]
fn the_hash_is_what_the_page_says() {
    let (line, link) = seal(&Link::start(), "{\"a\":1}");
    let mut hasher = blake3::Hasher::new();
    hasher.update("0".repeat(64).as_bytes()).update(b"{\"a\":1}");
    assert_eq!(link.0, hasher.finalize().to_hex().as_str());
    assert_eq!(line, format!("{{\"a\":1,\"hash\":\"{}\"}}", link.0));
}

#[test]
fn a_sealed_line_must_be_in_its_place() {
    let sealed = |bodies: &[&str]| {
        let mut link = Link::start();
        let seal = |body: &&str| {
            let (line, next) = seal(&link, body);
            link = next;
            format!("{line}\n")
        };
        state(&bodies.iter().map(seal).collect::<Vec<_>>())
    };
    let broken = |line, fault| State::Broken { line, fault };
    let (start, call, end) =
        (r#"{"seq":0,"kind":"start"}"#, r#"{"seq":1,"kind":"call"}"#, r#"{"seq":2,"kind":"end"}"#);
    assert_eq!(sealed(&[start, call, end]), State::Closed);
    assert_eq!(sealed(&[r#"{"seq":0,"kind":"call"}"#]), broken(1, Fault::OutOfPlace));
    assert_eq!(sealed(&[start, call, call]), broken(3, Fault::OutOfPlace));
    assert_eq!(sealed(&[start, r#"{"seq":1,"kind":"start"}"#]), broken(2, Fault::OutOfPlace));
    assert_eq!(sealed(&[start, call, end, r#"{"seq":3,"kind":"end"}"#]), broken(4, Fault::BehindEnd));
    assert_eq!(sealed(&[start, r#"{"seq":1}"#]), broken(2, Fault::Unreadable));
    assert_eq!(sealed(&[start, r#"{"seq":1,"kind":"other"}"#]), broken(2, Fault::Unreadable));
    assert_eq!(check(b"{}\n"), broken(1, Fault::NoHash));
    assert_eq!(check(b"\xff\n"), broken(1, Fault::Unreadable));
    assert_eq!(check("é\"}\n".as_bytes()), broken(1, Fault::NoHash));
}

proptest! {
    #[test]
    fn a_changed_byte_is_detected(log in log(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut text = log.concat().into_bytes();
        let at = at.index(text.len());
        prop_assume!(text[at] != to);
        let is_last = at == text.len() - 1;
        let before = check(&text);
        text[at] = to;
        let after = check(&text);
        // Without its end the last line counts as torn off, like a write that was cut short.
        prop_assert!(is_broken(&after) || is_last && after == State::Open { torn: true }, "{after:?}");
        prop_assert_ne!(before, after);
    }

    #[test]
    fn a_dropped_line_is_detected(log in log(), at in any::<prop::sample::Index>()) {
        let mut less = log.clone();
        let at = at.index(log.len());
        less.remove(at);
        if at < log.len() - 1 {
            prop_assert!(is_broken(&state(&less)));
        } else {
            prop_assert_eq!(state(&less), State::Open { torn: false });
        }
    }

    #[test]
    fn a_cut_off_tail_is_detected(log in log(), at in any::<prop::sample::Index>()) {
        let text = log.concat();
        let cut = &text.as_bytes()[..at.index(text.len())];
        let torn = cut.last().is_some_and(|byte| *byte != b'\n');
        prop_assert_eq!(check(cut), State::Open { torn });
    }

    #[test]
    fn a_cut_off_head_is_detected(log in log(), at in any::<prop::sample::Index>()) {
        let text = log.concat();
        let cut = &text.as_bytes()[1 + at.index(text.len() - 1)..];
        prop_assert!(is_broken(&check(cut)));
    }

    #[test]
    fn swapped_lines_are_detected(
        log in log(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let (one, other) = (one.index(log.len()), other.index(log.len()));
        prop_assume!(one != other);
        let mut swapped = log.clone();
        swapped.swap(one, other);
        prop_assert!(is_broken(&state(&swapped)));
    }

    #[test]
    fn a_duplicated_line_is_detected(
        log in log(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
    ) {
        let mut more = log.clone();
        more.insert(to.index(log.len() + 1), log[from.index(log.len())].clone());
        prop_assert!(is_broken(&state(&more)));
    }

    #[test]
    fn an_inserted_line_is_detected(
        log in log(), to in any::<prop::sample::Index>(), text in "[^\n]*", is_sealed in any::<bool>(),
    ) {
        // Sealed as if it were the first.
        let body = format!("{{\"text\":{}}}", serde_json::Value::from(text.clone()));
        let line = if is_sealed { seal(&Link::start(), &body).0 } else { text };
        let mut more = log.clone();
        more.insert(to.index(log.len() + 1), format!("{line}\n"));
        prop_assert!(is_broken(&state(&more)));
    }

    #[test]
    fn any_bytes_can_be_checked(text in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&text);
    }
}
