//! Whatever servers and the application create and delete: each Object Instance has one Access Control Object
//! Instance, and nothing is kept of what is gone (TS 7.3.1.2.2, 5.4.6, 5.4.7).

use alloc::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Path, ShortServerId,
};
use lwm2m_objects::{
    Change,
    typed::{AccessControl, AclTarget, Server, Typed as _},
};
use lwm2m_statemachine::coap::MessageBuf;
use proptest::prelude::*;

use crate::{
    attributes::write_attributes,
    creating::jobs,
    servers::{Two, access_control},
    support::{get, on, path, server_id},
};

const JOB: ObjectId = ObjectId::new(26242);

#[derive(Clone, Debug)]
enum Step {
    /// A server creates jobs with these identifiers, or one with an identifier that the Client chooses.
    Create(usize, Vec<u8>),
    /// The same without what is mandatory.
    CreateBadly(usize, u8),
    Delete(usize, u8),
    WriteAttributes(usize, u8),
    /// The application makes a job, for a server or for whoever may.
    Make(Option<usize>, u8),
    Unmake(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let server = 0..2_usize;
    let id = 0..5_u8;
    prop_oneof![
        3 => (server.clone(), prop::collection::vec(id.clone(), 0..3))
            .prop_map(|(server, ids)| Step::Create(server, ids)),
        1 => (server.clone(), id.clone()).prop_map(|(server, id)| Step::CreateBadly(server, id)),
        3 => (server.clone(), id.clone()).prop_map(|(server, id)| Step::Delete(server, id)),
        2 => (server.clone(), id.clone())
            .prop_map(|(server, id)| Step::WriteAttributes(server, id)),
        2 => (prop::option::of(server), id.clone()).prop_map(|(owner, id)| Step::Make(owner, id)),
        1 => id.prop_map(Step::Unmake),
    ]
}

/// What should be there: the owner of each job, and who has set attributes on it.
#[derive(Default)]
struct Model {
    jobs: BTreeMap<u8, usize>,
    attributes: BTreeSet<(usize, u8)>,
}

/// How many jobs fit.
const MOST: usize = 4;

impl Model {
    /// Whether these new jobs are possible, all of them.
    fn fits(&self, ids: &[u8]) -> bool {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let new = ids.iter().all(|id| !self.jobs.contains_key(id));
        new && sorted.len() == ids.len() && self.jobs.len() + ids.len() <= MOST
    }

    fn free(&self) -> u8 {
        (0..=u8::MAX)
            .find(|id| !self.jobs.contains_key(id))
            .unwrap()
    }

    fn remove(&mut self, id: u8) {
        self.jobs.remove(&id);
        self.attributes.retain(|(_, of)| *of != id);
    }
}

fn server(index: usize) -> ShortServerId {
    server_id([101, 102][index])
}

fn two() -> Two {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    Two::with(servers, |tree| {
        let may_create = AccessControl {
            target: AclTarget::Object(JOB),
            acl: vec![(101, AccessRights::CREATE), (102, AccessRights::CREATE)],
            owner: AccessControl::NOBODY,
        };
        tree.add(access_control([may_create]));
        tree.add(jobs());
    })
}

fn create(payload: &[u8]) -> MessageBuf {
    let mut request = on(Method::Post, "/26242");
    request.content_format(ContentFormat::TLV).unwrap();
    request.payload(payload);
    request
}

fn at(id: u8) -> Path {
    Path::Instance(JOB, InstanceId::new(id.into()).unwrap())
}

fn take(two: &mut Two, model: &mut Model, step: &Step) {
    let now = two.now;
    match step {
        Step::Create(by, ids) if ids.is_empty() => {
            let id = model.free();
            let fits = model.fits(&[id]);
            let code = two.code(*by, create(b"\xC1\x01\x07"));
            assert_eq!(code == Code::CREATED, fits);
            if fits {
                model.jobs.insert(id, *by);
            }
        }
        Step::Create(by, ids) => {
            let jobs = ids.iter().map(|id| [0x08, *id, 0x03, 0xC1, 0x01, 0x07]);
            let code = two.code(*by, create(&jobs.collect::<Vec<_>>().concat()));
            assert_eq!(code == Code::CREATED, model.fits(ids), "{code}");
            if code == Code::CREATED {
                model.jobs.extend(ids.iter().map(|id| (*id, *by)));
            }
        }
        Step::CreateBadly(by, id) => {
            let code = two.code(*by, create(&[0x08, *id, 0x03, 0xC1, 0x02, b'x']));
            assert_eq!(code, Code::BAD_REQUEST);
        }
        Step::Delete(by, id) => {
            let code = two.code(*by, on(Method::Delete, &at(*id).to_string()));
            let expected = match model.jobs.get(id) {
                None => Code::NOT_FOUND,
                Some(owner) if owner == by => Code::DELETED,
                Some(_) => Code::UNAUTHORIZED,
            };
            assert_eq!(code, expected);
            if code == Code::DELETED {
                model.remove(*id);
            }
        }
        Step::WriteAttributes(by, id) => {
            let code = two.code(*by, write_attributes(&at(*id).to_string(), "pmin=1"));
            if model.jobs.contains_key(id) {
                assert_eq!(code, Code::CHANGED);
                model.attributes.insert((*by, *id));
            } else {
                assert_eq!(code, Code::NOT_FOUND);
            }
        }
        Step::Make(owner, id) => {
            let changes = [Change::Create { path: at(*id) }];
            let made = match owner {
                Some(owner) => two.client.change_as(now, server(*owner), changes),
                None => two.client.change(now, changes),
            };
            assert_eq!(made.is_ok(), model.fits(&[*id]));
            if made.is_ok() {
                // Both may create; the one with the lowest number owns.
                model.jobs.insert(*id, owner.unwrap_or(0));
            }
            two.sent();
        }
        Step::Unmake(id) => {
            let unmade = two.client.change(now, [Change::Delete { path: at(*id) }]);
            assert_eq!(unmade.is_ok(), model.jobs.contains_key(id));
            model.remove(*id);
            two.sent();
        }
    }
}

fn check(two: &mut Two, model: &Model) {
    let tree = two.client.tree();
    let there: Vec<u8> = tree
        .instances(JOB)
        .map(|id| u8::try_from(id.get()).unwrap())
        .collect();
    assert!(model.jobs.keys().eq(&there), "{there:?}");
    let mut owners: Vec<(u8, u16)> = tree
        .instances(ObjectId::ACCESS_CONTROL)
        .filter_map(|id| {
            let control = AccessControl::load(tree, id).unwrap();
            match control.target {
                AclTarget::Instance(JOB, id) => {
                    assert_eq!(control.acl, [(control.owner, AccessControl::OWNER_RIGHTS)]);
                    Some((u8::try_from(id.get()).unwrap(), control.owner))
                }
                _ => None,
            }
        })
        .collect();
    owners.sort_unstable();
    let expected = model.jobs.iter();
    let expected = expected.map(|(id, owner)| (*id, server(*owner).get()));
    assert!(expected.eq(owners.iter().copied()), "{owners:?}");
    for by in 0..2 {
        let attributes = two
            .client
            .reporting()
            .attributes(server(by))
            .map(|(path, _)| path);
        let expected = model.attributes.iter().filter(|(of, _)| *of == by);
        assert!(attributes.eq(expected.map(|(_, id)| at(*id))));
        for (id, owner) in &model.jobs {
            let expected = if *owner == by {
                Code::CONTENT
            } else {
                Code::UNAUTHORIZED
            };
            assert_eq!(two.code(by, get(&at(*id).to_string())), expected);
        }
    }
    assert!(two.client.tree().target(path("/2/0")).exists());
}

proptest! {
    #[test]
    fn each_instance_has_one_owner_and_nothing_is_left_of_what_is_gone(
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let (mut two, mut model) = (two(), Model::default());
        for step in &steps {
            take(&mut two, &mut model, step);
            check(&mut two, &model);
        }
    }
}
