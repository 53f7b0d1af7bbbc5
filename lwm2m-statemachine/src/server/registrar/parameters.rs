//! The parameters of Register and Update that the specification doesn't define.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::UnknownParameter;

use super::refusal::RefusalReason;
use crate::server::config::UnknownParameters;

/// Parameters as they came, in one allocation: for each its length in one byte, and its text. The
/// bound counts all these bytes, so an empty parameter counts, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    bytes: Box<[u8]>,
}

impl Parameters {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What they take, in bytes.
    pub(super) fn heap(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        iter(&self.bytes)
    }

    /// These and those of an Update, which replace the ones of the same name. Too many are refused.
    pub(super) fn merged(&self, given: &GivenParameters) -> Result<Self, RefusalReason> {
        let mut merged = GivenParameters {
            bytes: Vec::new(),
            ..*given
        };
        let kept = self.iter().map(|query| (name(query), query));
        let names = iter(&given.bytes).map(name).collect();
        for query in without(kept, names).chain(iter(&given.bytes)) {
            merged.push(query);
        }
        merged.finish()
    }
}

/// The unknown parameters of one request.
#[derive(Debug)]
pub(super) struct GivenParameters {
    policy: UnknownParameters,
    /// How many bytes they may take, as [`Parameters`] counts.
    limit: usize,
    /// Whether they would take more.
    too_long: bool,
    bytes: Vec<u8>,
}

impl GivenParameters {
    pub(super) const fn new(policy: UnknownParameters, limit: usize) -> Self {
        Self {
            policy,
            limit,
            too_long: false,
            bytes: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, query: &str) -> UnknownParameter {
        match self.policy {
            UnknownParameters::Refuse => UnknownParameter::Refuse,
            UnknownParameters::Keep => {
                self.push(query);
                UnknownParameter::Accept
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.too_long
    }

    pub(super) fn finish(self) -> Result<Parameters, RefusalReason> {
        if self.too_long {
            return Err(RefusalReason::UnknownParameters(self.limit));
        }
        Ok(Parameters {
            bytes: self.bytes.into(),
        })
    }

    /// Keeps a parameter, whatever the policy is.
    pub(super) fn push(&mut self, query: &str) {
        let room = self.limit.saturating_sub(self.bytes.len());
        match u8::try_from(query.len()) {
            Ok(length) if query.len() < room && !self.too_long => {
                self.bytes.push(length);
                self.bytes.extend_from_slice(query.as_bytes());
            }
            // A Uri-Query option has at most 255 bytes (RFC 7252 §5.10).
            _ => self.too_long = true,
        }
    }
}

fn iter(mut bytes: &[u8]) -> impl Iterator<Item = &str> {
    core::iter::from_fn(move || {
        let (length, rest) = bytes.split_first()?;
        let (query, rest) = rest.split_at_checked((*length).into())?;
        bytes = rest;
        str::from_utf8(query).ok()
    })
}

fn name(query: &str) -> &str {
    query.split_once('=').map_or(query, |(name, _)| name)
}

/// Those whose name isn't one of `names`, in n·log n comparisons: peers choose how many there are.
fn without<'a, N: Ord>(
    kept: impl Iterator<Item = (N, &'a str)>,
    mut names: Vec<N>,
) -> impl Iterator<Item = &'a str> {
    names.sort_unstable();
    let is_other = move |(name, _): &(N, &str)| names.binary_search(name).is_err();
    kept.filter(is_other).map(|(_, query)| query)
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};
    use core::{cell::Cell, cmp::Ordering};

    use super::*;

    fn given<'a>(queries: impl IntoIterator<Item = &'a str>, limit: usize) -> GivenParameters {
        let mut given = GivenParameters::new(UnknownParameters::Keep, limit);
        for query in queries {
            assert_eq!(given.take(query), UnknownParameter::Accept);
        }
        given
    }

    fn kept<'a>(queries: impl IntoIterator<Item = &'a str>) -> Parameters {
        given(queries, 512).finish().unwrap()
    }

    #[test]
    fn they_are_kept_as_they_came() {
        let long = "x".repeat(255);
        let queries = ["", "site=north", "debug", "", "site=é", &long];
        assert!(kept(queries).iter().eq(queries));
        assert!(kept([]).is_empty() && !kept([""]).is_empty());
    }

    #[test]
    fn each_counts_its_length_and_one_byte() {
        for (queries, bytes) in [
            (&[][..], 0),
            (&[""], 1),
            (&["", "", ""], 3),
            (&["a=1", "b"], 6),
        ] {
            let given = |limit| given(queries.iter().copied(), limit);
            assert!(given(bytes).finish().is_ok());
            if let Some(less) = bytes.checked_sub(1) {
                let refused = RefusalReason::UnknownParameters(less);
                assert_eq!(given(less).finish(), Err(refused));
            }
            assert_eq!(given(bytes).finish().unwrap().bytes.len(), bytes);
        }
        // What is too long stays so, and takes no more room.
        let much = given(core::iter::repeat_n("", 10_000), 512);
        assert!(!much.is_empty() && much.bytes.len() <= 512);
        assert!(much.finish().is_err());
        assert!(given([&*"x".repeat(256), "a"], 512).finish().is_err());
    }

    #[test]
    fn those_of_an_update_take_the_place_of_their_namesakes() {
        let before = kept(["a=1", "b", "a=2", "c=3", "", "ab=4"]);
        let merged = before.merged(&given(["a=9", "b=8", "d", "d=7"], 512));
        assert!(
            merged
                .unwrap()
                .iter()
                .eq(["c=3", "", "ab=4", "a=9", "b=8", "d", "d=7"])
        );
        let none = before.merged(&given([""], 512)).unwrap();
        assert!(none.iter().eq(["a=1", "b", "a=2", "c=3", "ab=4", ""]));
        // Both together are bounded, and so is what came.
        let [six, seven] = [6, 7].map(|limit| kept(["a=1"]).merged(&given(["b"], limit)));
        assert_eq!(six.as_ref().map(Parameters::is_empty), Ok(false));
        assert!(seven.is_ok());
        let five = kept(["a=1"]).merged(&given(["b"], 5));
        assert_eq!(five, Err(RefusalReason::UnknownParameters(5)));
        assert!(kept([]).merged(&given(["long"], 4)).is_err());
    }

    #[test]
    fn refused_ones_are_not_kept() {
        let mut given = GivenParameters::new(UnknownParameters::Refuse, 512);
        assert_eq!(given.take("site=north"), UnknownParameter::Refuse);
        assert!(given.is_empty());
    }

    /// A name that counts how often it is compared.
    struct Counted<'a>(&'a str, &'a Cell<usize>);

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(other.0)
        }
    }

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Counted<'_> {}

    #[test]
    fn an_update_compares_few_names_however_many_there_are() {
        let comparisons = |count: usize| {
            let counter = Cell::new(0);
            let queries: Vec<String> = (0..count).map(|n| format!("{n}=")).collect();
            let other: Vec<String> = (0..count).rev().map(|n| format!("x{n}=")).collect();
            let name = |query| Counted(name(query), &counter);
            let kept = queries.iter().map(|query| (name(query), query.as_str()));
            let names = other.iter().map(|query| name(query)).collect();
            assert_eq!(without(kept, names).count(), count);
            counter.get()
        };
        let [few, many] = [500, 4000].map(comparisons);
        // Eight times as many, and three more steps of each search.
        assert!(many < few * 8 * 3 / 2, "{few} comparisons, then {many}");
    }
}
