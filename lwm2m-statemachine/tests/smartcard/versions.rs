//! Versions of Objects on the card (TS G.3.3).

use lwm2m_core::{DataType, ObjectId, Version};
use lwm2m_objects::{
    DEVICE, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, SECURITY, SERVER, Store,
};
use lwm2m_statemachine::smartcard::CardContents;

use crate::provisioned::{file, follow, object, resource, security, server, servers};

/// TS 6.2.2, G.3.3.
#[test]
fn an_object_may_have_another_minor_version_and_of_the_enabler_any_that_the_file_leaves_open() {
    const RESOURCES: &[ResourceDefinition] = &[ResourceDefinition::new(
        0,
        "Set Point",
        Operations::ReadWrite,
        DataType::Integer,
    )];
    static OTHER: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(26_241),
        "Other",
        "urn:oma:lwm2m:x:26241:2.2",
        RESOURCES,
    )
    .with_version(Version::new(2, 2));
    let mut later_device = DEVICE.clone().with_version(Version::new(2, 1));
    later_device.urn = "urn:oma:lwm2m:oma:3:2.1".into();
    let follows = |id: u16, version: &[u8]| {
        let mut tree = ObjectTree::new();
        tree.add(Store::new(&SECURITY).supporting(0..=12));
        tree.add(Store::new(&SERVER).supporting(0..=8));
        let device = Store::from_definition(later_device.clone()).unwrap();
        tree.add(device.supporting([9, 15, 16]));
        tree.add(Store::new(&OTHER).supporting([0]));
        let value = if id == 3 {
            resource(16, b"U")
        } else {
            resource(0, &[20])
        };
        let mut last = object(id, &[(0, value)]);
        last.splice(2..3, version.iter().copied());
        let file = file(&[
            object(0, &[(0, security(101, "a"))]),
            object(1, &[(0, server(101, 60))]),
            last,
        ]);
        let followed = follow(&mut tree, &CardContents::default(), Some(&file));
        assert_eq!(followed.refused.is_none(), !servers(&tree).is_empty());
        followed.refused.map(|refused| refused.to_string())
    };
    let refused = |text: &str| Some(text.to_owned());
    for version in [&[2, 0][..], &[2, 2], &[2, 5]] {
        assert_eq!(follows(26_241, version), None);
        assert_eq!(follows(3, version), None);
    }
    // The Device Object is the Enabler's, the other one is not.
    assert_eq!(follows(3, &[0]), None);
    let initial = "Object 26241 of version 1.0 on the card, expected 2.x";
    assert_eq!(follows(26_241, &[0]), refused(initial));
    let later = "Object 26241 of version 3.2 on the card, expected 2.x";
    assert_eq!(follows(26_241, &[3, 2]), refused(later));
    let device = "Object 3 of version 1.0 on the card, expected 2.x";
    assert_eq!(follows(3, &[1, 0]), refused(device));
}
