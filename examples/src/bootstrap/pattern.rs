//! Which endpoint names a plan is for.

/// An endpoint name, or a pattern of some: `*` stands for any number of characters, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The only endpoint name that fits, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(&*self.0)
    }

    /// Whether this name fits. It takes at most the product of both lengths in steps.
    pub(super) fn fits(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        // Which beginnings of the name fit what was looked at of the pattern.
        let mut fitting = vec![false; name.len() + 1];
        fitting[0] = true;
        for wanted in self.0.chars() {
            if wanted == '*' {
                let first = fitting.iter().position(|fits| *fits);
                let first = first.unwrap_or(fitting.len());
                fitting.iter_mut().skip(first).for_each(|fits| *fits = true);
                continue;
            }
            for length in (0..name.len()).rev() {
                let same = wanted == '?' || name[length] == wanted;
                fitting[length + 1] = fitting[length] && same;
            }
            fitting[0] = false;
        }
        fitting[name.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_itself_and_a_pattern_what_it_stands_for() {
        for (pattern, name, fits) in [
            ("meter", "meter", true),
            ("meter", "meter2", false),
            ("meter", "", false),
            ("*", "", true),
            ("*", "anything", true),
            ("meter-*", "meter-", true),
            ("meter-*", "meter-1-2", true),
            ("meter-*", "meter", false),
            ("meter-?", "meter-1", true),
            ("meter-?", "meter-", false),
            ("meter-?", "meter-12", false),
            ("*-1-*", "a-1-1-b", true),
            ("*a*b", "aabab", true),
            ("*a*b", "aaba", false),
            ("?", "ä", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).fits(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_long_name_takes_no_long_time() {
        let pattern = Pattern::new(&"*a".repeat(100));
        assert!(!pattern.fits(&("a".repeat(5000) + "b")));
    }
}
