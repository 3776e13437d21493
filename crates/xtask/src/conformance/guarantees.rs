//! `docs/guarantees.md`: what is promised, and the tests that show it.

use std::collections::BTreeSet;

/// The tests the page names: whatever is quoted and has the form of a test's name.
pub(super) fn tests(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| is_name(text)).map(str::to_owned).collect()
}

/// Three words at least: columns, options and settings have fewer.
fn is_name(text: &str) -> bool {
    text.matches('_').count() > 1 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_tests_are_read_and_other_code_is_not() {
        let page =
            "**G01.** `g01_login_does_the_same`, `a_b_c`\nand `prove`, `kill -9`, `keystead_dev`, `Not_A_Test`.\n";
        assert_eq!(tests(page), BTreeSet::from(["g01_login_does_the_same".to_owned(), "a_b_c".to_owned()]));
    }
}
