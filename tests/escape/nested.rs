//! A jail within a jail: works, or fails cleanly, and never gives more.

use crate::support::jail::stockade;
use crate::support::{Entry, both_modes};

#[test]
fn a_jail_within_a_jail_gives_no_more() {
    both_modes(|jail| {
        let victim = jail.outside.join("victim");
        let before = Entry::of(&victim);
        let binary = stockade();
        jail.allow("read", &binary);
        for mode in ["", "--static"] {
            let script = format!(
                "cd pkg; {} run {mode} --profile ci --workspace . --allow scratch={} -- sh -c 'echo inside; echo x > {}'; echo $?",
                binary.display(),
                jail.outside.display(),
                victim.display()
            );
            let out = jail.sh(&script);
            let text = out.expect(0);
            let clean = text.ends_with("125\n") && out.err().contains("stockade") && !text.contains("inside");
            assert!(clean || text.starts_with("inside\n"), "{text}\n{}", out.err());
            assert!(!out.err().contains("panicked"), "{}", out.err());
            assert_eq!(before, Entry::of(&victim));
        }
    });
}
