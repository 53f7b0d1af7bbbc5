//! A TOML document whose mistakes are told with file, line and key, and without its values: some are
//! keys.

use core::fmt;
use std::{io, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    file: String,
    line: usize,
    key: String,
    what: String,
}

/// A file and its text.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    file: &'s Path,
    text: &'s str,
}

/// A table of a document.
#[derive(Clone)]
pub(super) struct Table<'s> {
    source: Source<'s>,
    entries: &'s DeTable<'s>,
    /// Where it begins, in bytes.
    start: usize,
    /// How it is reached, such as `plan[0].server[1]`; empty for the document itself.
    name: String,
}

type Entry<'s> = &'s Spanned<DeValue<'s>>;

impl<'s> Source<'s> {
    pub(super) const fn new(file: &'s Path, text: &'s str) -> Self {
        Self { file, text }
    }

    /// The folder of the file, which the files that it names are relative to.
    pub(super) fn folder(&self) -> &'s Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    /// Parses the text.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'s>>, Mistake> {
        DeTable::parse(self.text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            // Its own form would show the line, with a key in it.
            self.mistake(start, String::new(), error.message())
        })
    }

    fn mistake(&self, start: usize, key: String, what: impl fmt::Display) -> Mistake {
        let before = self.text.get(..start).unwrap_or_default();
        Mistake {
            file: self.file.display().to_string(),
            line: 1 + before.matches('\n').count(),
            key,
            what: what.to_string(),
        }
    }
}

impl<'s> Table<'s> {
    /// The document itself.
    pub(super) const fn root(source: Source<'s>, entries: &'s DeTable<'s>) -> Self {
        Self {
            source,
            entries,
            start: 0,
            name: String::new(),
        }
    }

    pub(super) fn folder(&self) -> &'s Path {
        self.source.folder()
    }

    /// Whether there is this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Refuses all keys but these.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Mistake> {
        let unknown = self
            .entries
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        unknown.map_or(Ok(()), |key| {
            let expected = known.join(", ");
            let what = format!("unknown key; expected one of {expected}");
            let name = self.key(key.get_ref());
            Err(self.source.mistake(key.span().start, name, what))
        })
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&'s str>, Mistake> {
        self.typed(key, "a string", |value| match value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        })
    }

    /// A string that has to be there.
    pub(super) fn required(&self, key: &str) -> Result<&'s str, Mistake> {
        let found = self.string(key)?;
        found.ok_or_else(|| self.mistake(key, "expected this key"))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, Mistake> {
        self.typed(key, "true or false", |value| match value {
            DeValue::Boolean(truth) => Some(*truth),
            _ => None,
        })
    }

    /// A number that fits its type.
    pub(super) fn number<N: TryFrom<i64>>(
        &self,
        key: &str,
        expected: &str,
    ) -> Result<Option<N>, Mistake> {
        self.typed(key, expected, integer)
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Self>, Mistake> {
        let Some((_, entry)) = self.entries.get_key_value(key) else {
            return Ok(None);
        };
        let table = self.inner(entry, self.key(key));
        let table = table.ok_or_else(|| self.mistake(key, "expected a table"))?;
        Ok(Some(table))
    }

    /// An array of tables: `[[key]]`.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<Self>, Mistake> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(Vec::new());
        };
        let tables = entry.get_ref().as_array().and_then(|array| {
            let named = (0..).zip(array.iter());
            let tables = named.map(|(index, entry): (usize, _)| {
                self.inner(entry, format!("{}[{index}]", self.key(key)))
            });
            tables.collect()
        });
        tables.ok_or_else(|| self.mistake(key, "expected tables: [[…]]"))
    }

    /// The keys and strings of this table, in the order of the keys.
    pub(super) fn strings(&self) -> Result<Vec<(&'s str, &'s str)>, Mistake> {
        let keys = self.entries.keys().map(|key| key.get_ref().as_ref());
        let pairs = keys.map(|key| Ok((key, self.required(key)?)));
        pairs.collect()
    }

    /// A mistake at a key, or at this table if it has no such key.
    pub(super) fn mistake(&self, key: &str, what: impl fmt::Display) -> Mistake {
        let start = match self.entries.get_key_value(key) {
            Some((key, _)) => key.span().start,
            None => self.start,
        };
        self.source.mistake(start, self.key(key), what)
    }

    /// A mistake of this table.
    pub(super) fn own_mistake(&self, what: impl fmt::Display) -> Mistake {
        self.source.mistake(self.start, self.name.clone(), what)
    }

    fn key(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn inner(&self, entry: Entry<'s>, name: String) -> Option<Self> {
        Some(Self {
            source: self.source,
            entries: entry.get_ref().as_table()?,
            start: entry.span().start,
            name,
        })
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'s DeValue<'s>) -> Option<T>,
    ) -> Result<Option<T>, Mistake> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(None);
        };
        let found = read(entry.get_ref());
        let found = found.ok_or_else(|| self.mistake(key, format_args!("expected {expected}")))?;
        Ok(Some(found))
    }
}

fn integer<N: TryFrom<i64>>(value: &DeValue<'_>) -> Option<N> {
    let DeValue::Integer(digits) = value else {
        return None;
    };
    let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok()?;
    number.try_into().ok()
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            key,
            what,
        } = self;
        write!(f, "{file}:{line}: ")?;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(what)
    }
}

impl core::error::Error for Mistake {}

impl From<Mistake> for io::Error {
    fn from(mistake: Mistake) -> Self {
        Self::new(io::ErrorKind::InvalidData, mistake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(
        text: &str,
        read: impl FnOnce(&Table<'_>) -> Result<T, Mistake>,
    ) -> Result<T, String> {
        let source = Source::new(Path::new("plans.toml"), text);
        let document = source.parse().map_err(|mistake| mistake.to_string())?;
        let table = Table::root(source, document.get_ref());
        read(&table).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_mistake_names_file_line_and_key() {
        fn second<'s>(table: &Table<'s>) -> Result<Table<'s>, Mistake> {
            table.tables("t").map(|mut tables| tables.remove(1))
        }

        let text = "a = 1\n\n[[t]]\nkey = \"x\"\n\n[[t]]\nother = 3\n";
        let told = read(text, |table| second(table)?.required("key").map(|_| ())).unwrap_err();
        assert_eq!(told, "plans.toml:6: t[1].key: expected this key");
        let told = read(text, |table| second(table)?.string("other").map(|_| ())).unwrap_err();
        assert_eq!(told, "plans.toml:7: t[1].other: expected a string");
        let told = read(text, |table| second(table)?.only(&["key"])).unwrap_err();
        assert_eq!(
            told,
            "plans.toml:7: t[1].other: unknown key; expected one of key"
        );
        let told = read(text, |table| table.table("a").map(|_| ())).unwrap_err();
        assert_eq!(told, "plans.toml:1: a: expected a table");
        let told = read(text, |table| table.number::<u8>("t", "a number")).unwrap_err();
        assert_eq!(told, "plans.toml:3: t: expected a number");
    }

    #[test]
    fn numbers_fit_their_type() {
        let byte = |text| read(text, |table| table.number::<u8>("n", "0 to 255"));
        assert_eq!(byte("n = 255"), Ok(Some(255)));
        assert_eq!(byte("n = 0xff"), Ok(Some(255)));
        assert_eq!(byte(""), Ok(None));
        for wrong in [
            "n = 256",
            "n = -1",
            "n = 1.0",
            "n = \"1\"",
            "n = 99999999999999999999",
        ] {
            assert_eq!(
                byte(wrong).unwrap_err(),
                "plans.toml:1: n: expected 0 to 255"
            );
        }
    }

    #[test]
    fn a_mistake_repeats_no_value() {
        for text in [
            "key = \"c0ffee",
            "key = c0ffee",
            "key = \"c0ffee\" \"c0ffee\"",
            "key = [\"c0ffee\"",
            "[key\n\"c0ffee\" = ",
            "key = 'c0ffee'\nkey = 'c0ffee'",
            "key = \"\\c0ffee\"",
        ] {
            let told = read(text, |_| Ok(())).unwrap_err();
            assert!(told.starts_with("plans.toml:"), "{told}");
            assert!(!told.contains("c0ffee"), "{told}");
        }
        for text in [
            "key = 0xc0ffee",
            "key = [\"c0ffee\"]",
            "key = {a = \"c0ffee\"}",
        ] {
            let told = read(text, |table| table.required("key").map(|_| ())).unwrap_err();
            assert_eq!(told, "plans.toml:1: key: expected a string");
        }
    }
}
