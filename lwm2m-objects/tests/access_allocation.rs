//! A right is looked up without an allocation, however many servers there are. This is one test, because
//! the counter is that of the whole process.

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Operation, ShortServerId};
use lwm2m_kit::{
    heap::{change, least},
    path,
};
use lwm2m_objects::{ObjectTree, Store, access, typed};

lwm2m_kit::count_allocations!();

fn tree(servers: u16) -> ObjectTree {
    let ids = || (0..servers).filter_map(InstanceId::new).zip(101..);
    let id = |id| ShortServerId::new(id).unwrap();
    let rights = typed::AccessControl {
        target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
        acl: ids().map(|(_, id)| (id, AccessRights::READ)).collect(),
        owner: 101,
    };
    let mut tree = ObjectTree::new();
    let security = |number| typed::Security::no_sec("coap://s", id(number));
    tree.add(Store::of(ids().map(|(at, number)| (at, security(number)))));
    let server = |number| typed::Server::new(id(number), 60);
    tree.add(Store::of(ids().map(|(at, number)| (at, server(number)))));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree.add(Store::of([(InstanceId::ZERO, rights)]));
    tree
}

#[test]
fn a_right_is_looked_up_without_an_allocation() {
    for servers in [1, 2, 200] {
        let tree = tree(servers);
        let last = ShortServerId::new(100 + servers).unwrap();
        for (operation, at) in [
            (Operation::Read, "/3/0/9"),
            (Operation::Write, "/3/0/14"),
            (Operation::Write, "/2/0"),
            (Operation::Create, "/3"),
        ] {
            let path = path(at);
            let authorize = || access::authorize(&tree, last, operation, path);
            // What is kept of accounts and rights is built by the first one.
            let expected = authorize();
            let allocated = least(|| {
                let change = change(|| assert_eq!(authorize(), expected));
                change.bytes_allocated
            });
            assert_eq!(allocated, 0, "{operation} {at}, {servers} servers");
        }
    }
}
