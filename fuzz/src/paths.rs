use core::{fmt::Display, str::FromStr};

use lwm2m_core::{ObjectLink, Path};

/// Paths and Object Links as text.
pub fn paths(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(path) = prints_as_it_reads::<Path>(text) {
        // Each path has one spelling, so that no other one passes an access check.
        assert_eq!(path.to_string(), text);
        let ids: Vec<u16> = path.segments().collect();
        assert_eq!(Path::of(&ids), Some(path));
        if let Some(parent) = path.parent() {
            assert!(parent.contains(&path) && !path.contains(&parent) && parent < path);
        }
    }
    if let Some(link) = prints_as_it_reads::<ObjectLink>(text) {
        assert_eq!(ObjectLink::from_bytes(link.to_bytes()), link);
    }
}

fn prints_as_it_reads<T: FromStr + Display + PartialEq + Copy>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    assert!(value.to_string().parse().ok() == Some(value), "{text:?}");
    Some(value)
}
