//! The Objects and Object Instances of a registration, in little memory (TS 5.3.1, 6.2.3, 8.2.2).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{ContentFormat, InstanceId, ObjectId, Path, Version};
use lwm2m_linkformat::{RegistrationLink, RegistrationLinks, RootPath};

use super::refusal::RefusalReason;
use crate::server::config::ServerBounds;

/// The list in a Register or Update. It takes four bytes for each Object, Object Instance and
/// format, and none for what most clients leave out.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::server) struct ObjectList {
    /// The places in ascending order without repetition; behind them the formats, likewise.
    entries: Box<[Entry]>,
    /// How many of the entries are formats.
    formats: u8,
    details: Option<Box<Details>>,
}

/// What few clients give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Details {
    /// Empty, or as [`RootPath::prefix`] has it.
    alternate_path: Box<str>,
    /// The Objects with a version, in ascending order without repetition.
    versions: Box<[(ObjectId, Version)]>,
}

/// A place or a format.
///
/// A place is an Object or an Object Instance: the Object ID above, and below it 0 for the Object
/// itself, or one more than the Object Instance ID (which is never 65535).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u32);

impl Entry {
    fn place(object: ObjectId, instance: Option<InstanceId>) -> Self {
        let below = instance.map_or(0, |instance| u32::from(instance.get()) + 1);
        Self(u32::from(object.get()) << 16 | below)
    }

    fn parts(self) -> (ObjectId, Option<InstanceId>) {
        let [a, b, c, d] = self.0.to_be_bytes();
        let below = u16::from_be_bytes([c, d]);
        (
            ObjectId::new(u16::from_be_bytes([a, b])),
            below.checked_sub(1).and_then(InstanceId::new),
        )
    }

    fn format(format: ContentFormat) -> Self {
        Self(format.number().into())
    }

    fn content_format(self) -> ContentFormat {
        let [_, _, c, d] = self.0.to_be_bytes();
        ContentFormat::new(u16::from_be_bytes([c, d]))
    }
}

/// The length of `</1/0>,`.
const SHORTEST_LINK: usize = 7;

/// How many formats of a client are kept. No client needs as many.
const MOST_FORMATS: usize = 32;

/// The links of one payload.
struct Links {
    places: Vec<Entry>,
    formats: [Entry; MOST_FORMATS],
    /// How many formats there are.
    count: usize,
    /// The versions in the links of Objects.
    versions: Vec<(ObjectId, Version)>,
    /// The versions in the links of Object Instances.
    instance_versions: Vec<(ObjectId, Version)>,
}

impl Links {
    fn new(payload: &[u8], limit: usize) -> Self {
        // Few links are shorter; more room comes if it is needed.
        let links = payload.len() / SHORTEST_LINK + 1;
        Self {
            places: Vec::with_capacity(links.min(limit)),
            formats: [Entry::default(); MOST_FORMATS],
            count: 0,
            versions: Vec::new(),
            instance_versions: Vec::new(),
        }
    }

    fn add(&mut self, link: RegistrationLink<'_>, limit: usize) -> Result<(), RefusalReason> {
        let place = match link {
            RegistrationLink::Object { object, version } => {
                if let Some(version) = version {
                    self.versions.push((object, version));
                }
                Entry::place(object, None)
            }
            RegistrationLink::Instance {
                object,
                instance,
                version,
            } => {
                if let Some(version) = version {
                    self.instance_versions.push((object, version));
                }
                Entry::place(object, Some(instance))
            }
            RegistrationLink::Root {
                content_formats, ..
            } => {
                for format in content_formats {
                    self.add_format(Entry::format(format));
                }
                return Ok(());
            }
        };
        self.add_place(place, limit)
    }

    fn add_place(&mut self, place: Entry, limit: usize) -> Result<(), RefusalReason> {
        if self.places.len() >= limit {
            return Err(RefusalReason::TooManyObjects(limit));
        }
        self.places.push(place);
        Ok(())
    }

    fn add_format(&mut self, format: Entry) {
        let (known, free) = self.formats.split_at_mut(self.count);
        if !known.contains(&format)
            && let Some(slot) = free.first_mut()
        {
            *slot = format;
            self.count += 1;
        }
    }

    fn finish(mut self, alternate_path: &str) -> ObjectList {
        let mut entries = self.places;
        // Most clients list them in this order.
        if !entries.is_sorted_by(|one, next| one < next) {
            entries.sort_unstable();
            entries.dedup();
        }
        let formats = self.formats.get_mut(..self.count).unwrap_or_default();
        formats.sort_unstable();
        entries.extend_from_slice(formats);
        let mut versions = self.versions;
        versions.append(&mut self.instance_versions);
        // Stable, so that of one Object the first comes first.
        versions.sort_by_key(|(object, _)| *object);
        versions.dedup_by_key(|(object, _)| *object);
        let details = (!alternate_path.is_empty() || !versions.is_empty()).then(|| {
            Box::new(Details {
                alternate_path: alternate_path.into(),
                versions: versions.into(),
            })
        });
        ObjectList {
            entries: entries.into(),
            formats: u8::try_from(self.count).unwrap_or(0),
            details,
        }
    }
}

/// A list as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ObjectsRecord {
    places: Vec<Path>,
    formats: Vec<ContentFormat>,
    versions: Vec<(ObjectId, Version)>,
    alternate_path: String,
}

/// A restart of the server.
impl ObjectList {
    /// The list as plain data.
    pub(super) fn record(&self) -> ObjectsRecord {
        let place = |(object, instance): (ObjectId, Option<InstanceId>)| {
            instance.map_or(Path::Object(object), |id| Path::Instance(object, id))
        };
        let formats = self.formats().iter().map(|format| format.content_format());
        let details = self.details.as_deref();
        ObjectsRecord {
            places: self.iter().map(place).collect(),
            formats: formats.collect(),
            versions: details.map_or_else(Vec::new, |details| details.versions.to_vec()),
            alternate_path: self.alternate_path().prefix().into(),
        }
    }

    /// The list of a record, which may be damaged: what no list has is left out.
    pub(super) fn restored(
        record: &ObjectsRecord,
        bounds: &ServerBounds,
    ) -> Result<Self, RefusalReason> {
        let path = record.alternate_path.as_str();
        let path = RootPath::new(path).map_or("", |root| root.prefix());
        if path.len() > bounds.alternate_path {
            return Err(RefusalReason::AlternatePath(bounds.alternate_path));
        }
        let mut links = Links::new(&[], bounds.objects);
        for place in &record.places {
            let (Some(object), instance) = (place.object(), place.instance()) else {
                continue;
            };
            links.add_place(Entry::place(object, instance), bounds.objects)?;
        }
        for format in &record.formats {
            links.add_format(Entry::format(*format));
        }
        // Each is of one place.
        let versions = record.versions.iter().take(record.places.len());
        links.versions.extend(versions);
        Ok(links.finish(path))
    }
}

impl ObjectList {
    /// Reads the payload of a Register or Update.
    ///
    /// The version of an Object is the one in its own link (TS 6.2.3); if there is none, the first
    /// one in a link of its Object Instances, as in LwM2M 1.2. Of several links of an Object, the
    /// first with a version counts.
    pub(super) fn parse(payload: &[u8], bounds: &ServerBounds) -> Result<Self, RefusalReason> {
        let mut source = RegistrationLinks::new(payload);
        // The root is known once the first link was read.
        let mut next = source.next();
        let alternate_path = source.root().prefix();
        if alternate_path.len() > bounds.alternate_path {
            return Err(RefusalReason::AlternatePath(bounds.alternate_path));
        }
        let mut links = Links::new(payload, bounds.objects);
        // A list that is too long and malformed after that is refused as too long.
        while let Some(link) = next {
            links.add(link?, bounds.objects)?;
            next = source.next();
        }
        Ok(links.finish(alternate_path))
    }

    fn places(&self) -> &[Entry] {
        let formats = usize::from(self.formats);
        let places = self.entries.len().saturating_sub(formats);
        self.entries.get(..places).unwrap_or_default()
    }

    fn formats(&self) -> &[Entry] {
        self.entries.get(self.places().len()..).unwrap_or_default()
    }

    /// The heap that the list takes, in bytes.
    pub(super) fn heap(&self) -> usize {
        let details = self.details.as_deref().map_or(0, |details| {
            size_of_val(details) + details.alternate_path.len() + size_of_val(&*details.versions)
        });
        size_of_val(&*self.entries) + details
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places().is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectId, Option<InstanceId>)> {
        self.places().iter().map(|place| place.parts())
    }

    /// Whether the list has the Object or Object Instance of this path. An Object is also there if
    /// one of its Object Instances is.
    pub(super) fn has(&self, path: &Path) -> bool {
        let Some(object) = path.object() else {
            return true;
        };
        let (places, first) = (self.places(), Entry::place(object, path.instance()));
        let at = places.partition_point(|place| *place < first);
        places.get(at).is_some_and(|place| match path.instance() {
            Some(_) => *place == first,
            // The Object itself, or the first of its Object Instances.
            None => place.parts().0 == object,
        })
    }

    /// The version of an Object that the client has; 1.0 unless it announced another.
    pub(super) fn version(&self, object: ObjectId) -> Option<Version> {
        let has = self.has(&Path::Object(object));
        has.then(|| self.announced(object).unwrap_or(Version::INITIAL))
    }

    /// The version that the client announced of an Object (TS 6.2.3).
    pub(in crate::server) fn announced(&self, object: ObjectId) -> Option<Version> {
        let versions = &self.details.as_ref()?.versions;
        let at = versions.binary_search_by_key(&object, |(object, _)| *object);
        versions.get(at.ok()?).map(|(_, version)| *version)
    }

    pub(super) fn announces(&self, format: ContentFormat) -> bool {
        self.formats().contains(&Entry::format(format))
    }

    pub(in crate::server) fn alternate_path(&self) -> RootPath<'_> {
        let details = self.details.as_ref();
        // It was read as a root path, so it is one.
        details
            .and_then(|details| RootPath::new(&details.alternate_path).ok())
            .unwrap_or_default()
    }
}

#[expect(
    clippy::missing_fields_in_debug,
    reason = "the entries are the places and the formats"
)]
impl fmt::Debug for ObjectList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectList")
            .field("places", &Places(self.places()))
            .field("formats", &Formats(self.formats()))
            .field("details", &self.details)
            .finish()
    }
}

/// Entries as paths, for debugging.
struct Places<'a>(&'a [Entry]);

impl fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (object, instance) in self.0.iter().map(|place| place.parts()) {
            let path = instance.map_or(Path::Object(object), |id| Path::Instance(object, id));
            list.entry(&format_args!("{path}"));
        }
        list.finish()
    }
}

/// Entries as formats, for debugging.
struct Formats<'a>(&'a [Entry]);

impl fmt::Debug for Formats<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formats = self.0.iter().map(|format| format.content_format());
        f.debug_set().entries(formats).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    fn list(payload: &str) -> ObjectList {
        ObjectList::parse(payload.as_bytes(), &ServerBounds::default()).unwrap()
    }

    fn paths(list: &ObjectList) -> Vec<(u16, Option<u16>)> {
        list.iter()
            .map(|(object, instance)| (object.get(), instance.map(InstanceId::get)))
            .collect()
    }

    fn has(list: &ObjectList, path: &str) -> bool {
        list.has(&path.parse().unwrap())
    }

    #[test]
    fn objects_and_instances_are_sorted_and_found() {
        let list = list("</3/0>,</65535/65534>,</1/1>, </1/0>,</5>,</1/0>,</44>;ver=2.2");
        assert_eq!(
            paths(&list),
            [
                (1, Some(0)),
                (1, Some(1)),
                (3, Some(0)),
                (5, None),
                (44, None),
                (65535, Some(65534))
            ]
        );
        for path in ["/", "/1", "/1/1", "/3/0/9", "/5", "/65535", "/65535/65534"] {
            assert!(has(&list, path), "{path}");
        }
        for path in ["/0", "/1/2", "/2", "/5/0", "/44/0", "/65534", "/65535/0"] {
            assert!(!has(&list, path), "{path}");
        }
    }

    #[test]
    fn versions_are_told_or_initial() {
        let list = list("</3/0>,</44>;ver=2.2,</44/0>");
        assert_eq!(list.version(44.into()), Some(Version::new(2, 2)));
        assert_eq!(list.version(3.into()), Some(Version::INITIAL));
        assert_eq!(list.version(4.into()), None);
    }

    #[test]
    fn the_version_of_the_objects_own_link_counts_before_that_of_an_instance_link() {
        for (payload, version) in [
            ("</44/0>;ver=1.1", Version::new(1, 1)),
            ("</44>,</44/0>;ver=1.1", Version::new(1, 1)),
            (
                "</44/1>,</44/3>;ver=1.2,</44/2>;ver=1.1",
                Version::new(1, 2),
            ),
            (
                "</44/0>;ver=1.1,</44/1>;ver=1.2,</44>;ver=2.2",
                Version::new(2, 2),
            ),
            ("</44>;ver=2.2,</44>;ver=1.0", Version::new(2, 2)),
            ("</44/0>;ver=x,</44/1>;ver=1.1", Version::new(1, 1)),
            ("</44/0>;ver=x", Version::INITIAL),
        ] {
            let list = list(&alloc::format!("</43/0>,{payload},</45/0>"));
            assert_eq!(list.version(44.into()), Some(version), "{payload}");
            for other in [43, 45] {
                assert_eq!(list.version(other.into()), Some(Version::INITIAL));
            }
        }
    }

    #[test]
    fn formats_without_quotes_are_formats() {
        let list = list(r#"</>;rt="oma.lwm2m";ct=0 112 11542 11543,</3/0>"#);
        for format in [ContentFormat::TEXT, ContentFormat::TLV, ContentFormat::JSON] {
            assert!(list.announces(format), "{format}");
        }
        assert!(!list.announces(ContentFormat::OPAQUE));
    }

    #[test]
    fn the_root_link_tells_formats_and_the_alternate_path() {
        let list = list(r#"</lwm2m>;rt="oma.lwm2m";ct="0 42 60 11543",</lwm2m/3/0>"#);
        assert_eq!(list.alternate_path().as_str(), "/lwm2m");
        assert_eq!(paths(&list), [(3, Some(0))]);
        assert!(list.announces(ContentFormat::JSON) && list.announces(ContentFormat::OPAQUE));
        assert!(list.announces(ContentFormat::new(60)));
        assert!(!list.announces(ContentFormat::TLV) && !list.announces(ContentFormat::new(110)));
    }

    #[test]
    fn formats_are_remembered_whatever_their_number_and_up_to_a_bound() {
        let numbers = (0..40).map(|n| alloc::format!("{}", 65_535 - n));
        let ct = numbers.collect::<Vec<_>>().join(" ");
        let list = list(&alloc::format!(
            r#"</>;rt="oma.lwm2m";ct="{ct} 65535",</3/0>"#
        ));
        for (n, announced) in [(0, true), (31, true), (32, false), (39, false)] {
            assert_eq!(list.announces(ContentFormat::new(65_535 - n)), announced);
        }
        assert!(!list.announces(ContentFormat::TLV));
        assert_eq!(paths(&list), [(3, Some(0))]);
        assert_eq!(list.heap(), 4 * 33);
    }

    #[test]
    fn most_clients_cost_four_bytes_per_link() {
        let list = list(
            r#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"#,
        );
        assert_eq!(size_of_val(list.places()), 40);
        assert_eq!(list.heap(), 44);
        assert!(list.details.is_none());
        assert_eq!(list.alternate_path().to_string(), "/");
    }

    #[test]
    fn debug_shows_paths_and_formats() {
        let list = list(r#"</>;rt="oma.lwm2m";ct="0 11542",</1/65534>,</65535>"#);
        let shown = alloc::format!("{list:?}");
        for part in [
            "[/1/65534, /65535]",
            "{ContentFormat(0), ContentFormat(11542)}",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn a_list_over_the_bound_is_refused() {
        let bounds = ServerBounds {
            objects: 2,
            ..ServerBounds::default()
        };
        assert!(ObjectList::parse(b"</1/0>,</3/0>", &bounds).is_ok());
        let three = ObjectList::parse(b"</1/0>,</3/0>,</4/0>", &bounds);
        assert_eq!(three, Err(RefusalReason::TooManyObjects(2)));
    }

    #[test]
    fn an_alternate_path_over_the_bound_is_refused() {
        let bounds = ServerBounds {
            alternate_path: 6,
            ..ServerBounds::default()
        };
        let parse = |path: &str| {
            let payload = alloc::format!(r#"<{path}>;rt="oma.lwm2m",<{path}/3/0>"#);
            ObjectList::parse(payload.as_bytes(), &bounds).map(|_| ())
        };
        assert_eq!(parse("/lwm2m"), Ok(()));
        for path in ["/lwm2mm", "/a/b/c/d", "/%20%20%20"] {
            assert_eq!(parse(path), Err(RefusalReason::AlternatePath(6)), "{path}");
        }
    }
}
