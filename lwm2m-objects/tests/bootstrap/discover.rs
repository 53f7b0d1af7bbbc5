//! Bootstrap-Discover (TS 5.2.7.3).

use lwm2m_kit::path;
use lwm2m_objects::{
    Change, ObjectDefinition, ObjectTree, Store,
    bootstrap::{self, Refusal},
};

use crate::session::{client, two_servers};

/// What is listed, as a line for each Object.
fn listed(tree: &ObjectTree, target: &str) -> Vec<String> {
    let found = bootstrap::discover(tree, path(target)).unwrap();
    let line = |object: bootstrap::DiscoveredObject<'_>| {
        let version = object
            .version()
            .map_or(String::new(), |it| format!(";ver={it}"));
        let instances = object.instances().map(|(at, server)| {
            let server = server.map_or(String::new(), |it| format!(";ssid={it}"));
            format!(" {at}{server}")
        });
        format!("/{}{version}{}", object.id(), instances.collect::<String>())
    };
    found.map(line).collect()
}

#[test]
fn discover_lists_all_objects_and_the_servers_of_accounts() {
    let mut tree = client(&[101, 102], vec![]);
    // The number of a Bootstrap-Server means nothing.
    tree.set(path("/0/0/10"), 7).unwrap();
    tree.change([Change::Remove {
        path: path("/1/1/0"),
    }])
    .unwrap();
    assert_eq!(
        listed(&tree, "/"),
        [
            "/0 0 1;ssid=101 2;ssid=102",
            "/1 0;ssid=101 1",
            "/2",
            "/3 0",
            "/5 0",
            "/9 0 1 2"
        ]
    );
    assert_eq!(listed(&tree, "/0"), ["/0 0 1;ssid=101 2;ssid=102"]);
    assert_eq!(listed(&tree, "/2"), ["/2"]);
}

/// TS 6.2.3, Table 19: a version that isn't the initial one is told.
#[test]
fn discover_tells_versions() {
    let mut tree = ObjectTree::new();
    let newer = ObjectDefinition::new(55.into(), "Newer", "urn:oma:lwm2m:x:55:1.9", &[]);
    let newer = Box::leak(Box::new(newer.with_version("1.9".parse().unwrap())));
    tree.add(Store::new(newer).with_instance(lwm2m_core::InstanceId::ZERO));
    assert_eq!(listed(&tree, "/"), ["/55;ver=1.9 0"]);
}

/// During a bootstrap it lists what has been written.
#[test]
fn discover_lists_what_is_held() {
    let mut tree = two_servers();
    tree.hold();
    let command = bootstrap::delete(&tree, path("/0/1")).unwrap();
    tree.commit(command.changes()).unwrap();
    assert_eq!(listed(&tree, "/0"), ["/0 0 2;ssid=102"]);
}

#[test]
fn what_a_discover_refuses() {
    let tree = two_servers();
    let refused = |target| bootstrap::discover(&tree, path(target)).err();
    assert_eq!(refused("/77"), Some(Refusal::NotFound(path("/77"))));
    for target in ["/1/0", "/1/0/1", "/77/0", "/2/0/2/101"] {
        assert_eq!(refused(target), Some(Refusal::Target(path(target))));
    }
}
