use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    InstanceId, ObjectId, ShortServerId, Version,
    codec::{PathList, Scope},
};
use lwm2m_linkformat::{
    BootstrapDiscoverLink, BootstrapDiscoverLinks, BootstrapDiscoverWriter, DiscoverLink,
    DiscoverLinks, DiscoverWriter, Encoder, Link, LinkWriteError, LinkWriter, Links,
    RegistrationLink, RegistrationLinks, RegistrationRoot, RegistrationWriter, RootPath, decode,
};

/// A link-format document, read as plain links, as each of the three documents of LwM2M, and as a list
/// of paths.
pub fn linkformat(data: &[u8]) {
    general(data);
    registration(data);
    bootstrap_discover(data);
    for root in [RootPath::default(), RootPath::new("/lwm2m").unwrap()] {
        discover(data, root);
    }
    paths(data);
}

/// Paths that are read are written, and read back equal.
fn paths(data: &[u8]) {
    let mut read = PathList::new();
    if decode(data, Scope::paths(), &mut read).is_err() {
        return;
    }
    let mut written = Vec::new();
    let mut encoder = Encoder::new(&mut written, Scope::paths());
    read.push(&mut encoder).expect("paths are written");
    encoder.finish().expect("the list is complete");
    let mut again = PathList::new();
    decode(&written, Scope::paths(), &mut again).expect("what is written is read");
    assert_eq!(again, read);
}

/// All items, or nothing if there is an error, which must be the last item.
fn all<T, E>(mut items: impl Iterator<Item = Result<T, E>>) -> Option<Vec<T>> {
    let mut read = Vec::new();
    while let Some(item) = items.next() {
        let Ok(item) = item else {
            assert!(items.next().is_none(), "nothing follows an error");
            return None;
        };
        read.push(item);
    }
    Some(read)
}

fn general(data: &[u8]) {
    let Some(links) = all(Links::new(data)) else {
        return;
    };
    let mut written = Vec::new();
    let mut writer = LinkWriter::new(&mut written);
    for link in &links {
        assert!(data[link.offset()..].starts_with(b"<"));
        let mut attributes = match writer.link(link.target) {
            Ok(attributes) => attributes,
            // What is read between the brackets need not be a URI reference; what is written must.
            Err(LinkWriteError::Target { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        for attribute in link.attributes() {
            let written = match attribute.value {
                None => attributes.flag(attribute.name),
                // Content formats may lack their quotes.
                Some(value) if value.is_quoted() || value.raw().contains(' ') => {
                    attributes.quoted(attribute.name, &value.unquoted())
                }
                Some(value) => attributes.token(attribute.name, value.raw()),
            };
            attributes = match written {
                Ok(attributes) => attributes,
                Err(LinkWriteError::Anchor { .. }) => return,
                Err(error) => panic!("{error}"),
            };
        }
    }
    let again = all(Links::new(&written)).unwrap();
    let texts = |links: &[Link<'_>]| links.iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&again), texts(&links));
}

/// What a link says, without regard to quoting.
fn text(link: &Link<'_>) -> String {
    let attributes: Vec<_> = link
        .attributes()
        .map(|attribute| {
            (
                attribute.name,
                attribute.value.map(|value| value.unquoted()),
            )
        })
        .collect();
    format!("{} {attributes:?}", link.target)
}

/// Objects by number: the version that is given last, and the Instances with their attributes.
type Objects<T> = BTreeMap<ObjectId, (Option<Version>, BTreeMap<InstanceId, T>)>;

fn registration(data: &[u8]) {
    let Some((root, objects)) = read_registration(data) else {
        return;
    };
    let mut written = Vec::new();
    let mut writer = RegistrationWriter::new(
        &mut written,
        RegistrationRoot {
            path: root,
            ..RegistrationRoot::default()
        },
    );
    for (object, (version, instances)) in &objects {
        writer.object(*object, *version, instances.keys().copied());
    }
    // The root is written with percent-encoding where a URI needs it.
    let (root_again, objects_again) = read_registration(&written).unwrap();
    assert!(root_again.segments().eq(root.segments()));
    assert_eq!(objects_again, objects);
}

fn read_registration(data: &[u8]) -> Option<(RootPath<'_>, Objects<()>)> {
    let links = RegistrationLinks::new(data);
    let root = links.root();
    let mut objects = Objects::new();
    for link in all(links)? {
        match link {
            RegistrationLink::Root {
                path,
                content_formats,
                ..
            } => {
                assert_eq!(path, root);
                assert!(content_formats.count() <= data.len());
            }
            RegistrationLink::Object { object, version } => {
                let entry = objects.entry(object).or_default();
                entry.0 = version.or(entry.0);
            }
            RegistrationLink::Instance {
                object, instance, ..
            } => {
                objects.entry(object).or_default().1.insert(instance, ());
            }
        }
    }
    assert!(
        !objects.contains_key(&ObjectId::new(0)),
        "Security is in no list"
    );
    Some((root, objects))
}

fn bootstrap_discover(data: &[u8]) {
    let Some((enabler, objects)) = read_bootstrap_discover(data) else {
        return;
    };
    let enabler = enabler.unwrap_or(Version::INITIAL);
    let mut written = Vec::new();
    let mut writer = BootstrapDiscoverWriter::new(&mut written, enabler);
    for (object, (version, instances)) in &objects {
        let instances = instances.iter().map(|(id, server)| (*id, *server));
        writer.object(*object, *version, instances);
    }
    let again = read_bootstrap_discover(&written);
    assert_eq!(again, Some((Some(enabler), objects)));
}

fn read_bootstrap_discover(
    data: &[u8],
) -> Option<(Option<Version>, Objects<Option<ShortServerId>>)> {
    let mut enabler = None;
    let mut objects = Objects::new();
    for link in all(BootstrapDiscoverLinks::new(data))? {
        match link {
            BootstrapDiscoverLink::Enabler(version) => enabler = Some(version),
            BootstrapDiscoverLink::Object { object, version } => {
                let entry = objects.entry(object).or_default();
                entry.0 = version.or(entry.0);
            }
            BootstrapDiscoverLink::Instance {
                object,
                instance,
                short_server_id,
                ..
            } => {
                let instances = &mut objects.entry(object).or_default().1;
                instances.insert(instance, short_server_id);
            }
        }
    }
    Some((enabler, objects))
}

fn discover(data: &[u8], root: RootPath<'_>) {
    let Some(links) = all(DiscoverLinks::new(data, root)) else {
        return;
    };
    let mut written = Vec::new();
    let mut writer = DiscoverWriter::new(&mut written, root);
    let mut names = BTreeSet::new();
    for link in &links {
        names.extend(link.other_attributes().map(|attribute| attribute.name));
        let mut attributes = writer.link(link.path);
        if let Some(version) = link.version {
            attributes = attributes.version(version);
        }
        if let Some(dimension) = link.dimension {
            attributes = attributes.dimension(dimension);
        }
        attributes.attributes(&link.attributes).unwrap();
    }
    assert!(
        ["pmin", "pmax", "gt", "lt", "st", "dim", "ver"]
            .iter()
            .all(|name| !names.contains(name))
    );
    let again = all(DiscoverLinks::new(&written, root)).unwrap();
    let texts = |links: &[DiscoverLink<'_>]| links.iter().map(discovered).collect::<Vec<_>>();
    assert_eq!(texts(&again), texts(&links));
}

fn discovered(link: &DiscoverLink<'_>) -> String {
    let DiscoverLink {
        path,
        dimension,
        version,
        attributes,
        ..
    } = link;
    format!("{path} {dimension:?} {version:?} {attributes:?}")
}
