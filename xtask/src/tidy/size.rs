//! How long files and functions may be.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Violation;
use super::source::Source;

/// Lines of a file.
const FILE_LINES: usize = 400;

/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES: usize = 80;

/// Files, or directories, whose constants do not count: they are tables.
const TABLES: [&str; 3] = ["src/seccomp/numbers/", "src/seccomp/table.rs", "src/seccomp/table/"];

/// Checks a file and its functions.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut measure = Measure::default();
    measure.visit_file(&source.syntax);
    let is_table = TABLES.iter().any(|table| source.file.starts_with(table));
    let lines = if is_table { source.lines - measure.data } else { source.lines };
    let mut violations = Vec::new();
    if lines > FILE_LINES {
        let what = format!("the file has {lines} lines; {FILE_LINES} are enough");
        violations.push(Violation::new(&source.file, 1, what));
    }
    for (name, line, lines) in measure.functions {
        if lines > FUNCTION_LINES {
            let what = format!("{name} has {lines} lines; {FUNCTION_LINES} are enough");
            violations.push(Violation::new(&source.file, line, what));
        }
    }
    violations
}

/// What a file consists of.
#[derive(Default)]
struct Measure {
    /// Name, first line and length of each function.
    functions: Vec<(String, usize, usize)>,
    /// Lines of constants.
    data: usize,
}

impl Measure {
    /// Notes a function.
    fn function(&mut self, signature: &syn::Signature, end: Span) {
        let line = signature.span().start().line;
        self.functions.push((signature.ident.to_string(), line, end.end().line - line + 1));
    }

    /// Notes a constant.
    fn constant(&mut self, span: Span) {
        self.data += span.end().line - span.start().line + 1;
    }
}

impl<'ast> Visit<'ast> for Measure {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig, item.span());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(item.span());
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(item.span());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a file.
    fn faults(file: &str, text: &str) -> Vec<String> {
        check(&Source::parse(file, text).ok().unwrap()).into_iter().map(|fault| fault.to_string()).collect()
    }

    /// A function of a number of lines, at least two.
    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    /// A constant of a number of lines, at least two.
    fn constant(lines: usize) -> String {
        format!("const X: &[u8] = &[\n{}];\n", "    1,\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_function_is_named() {
        assert_eq!(faults("src/a.rs", &function(80)), [""; 0]);
        assert_eq!(faults("src/a.rs", &function(81)), ["src/a.rs:1: f has 81 lines; 80 are enough"]);
        let method = format!("impl X {{\n/// Does it.\n{}}}\n", function(81));
        assert_eq!(faults("src/a.rs", &method), ["src/a.rs:3: f has 81 lines; 80 are enough"]);
        let provided = format!("trait X {{\n{}}}\n", function(81));
        assert_eq!(faults("src/a.rs", &provided), ["src/a.rs:2: f has 81 lines; 80 are enough"]);
    }

    #[test]
    fn a_long_file_is_named() {
        assert_eq!(faults("src/a.rs", &"const X: u8 = 1;\n".repeat(400)), [""; 0]);
        assert_eq!(
            faults("src/a.rs", &"const X: u8 = 1;\n".repeat(401)),
            ["src/a.rs:1: the file has 401 lines; 400 are enough"]
        );
    }

    #[test]
    fn the_rows_of_a_table_do_not_count_but_its_code_does() {
        for table in ["src/seccomp/numbers/x86_64.rs", "src/seccomp/table.rs", "src/seccomp/table/files.rs"] {
            assert_eq!(faults(table, &constant(500)), [""; 0]);
            let code = format!("{}{}", constant(500), "use x;\n".repeat(401));
            assert_eq!(faults(table, &code).len(), 1);
        }
        assert_eq!(faults("src/seccomp/filter.rs", &constant(500)).len(), 1);
    }
}
