//! What the application of the Client does: it changes values, Object Instances, Objects, accounts and
//! rights, answers requests, reports how updates went, and calls what it shouldn't.

use lwm2m_core::{AccessRights, Code, InstanceId, Instant, ObjectId, Operation, Path, Value};
use lwm2m_objects::{
    Change, ConnectivityStatisticsObject, DeviceObject, ErrorCode, FetchFailure, LOCATION, Store,
    firmware::{DownloadError, FirmwareUpdateObject},
    software::{self, SoftwareManagementObject},
    typed::PowerSource,
};
use lwm2m_statemachine::{
    AccountId,
    client::{DeferredError, DeferredId, DeferredOperation},
};

use super::{
    device::{Device, Waiting},
    numbers,
    objects::{self, BATTERY_LEVEL, COUNTER, SERVERS, THING, instance, thing},
};

const PACKAGE_URI: Path = Path::of(&[5, 0, 1]).unwrap();
const DEFERRED: [DeferredOperation; 3] = [
    DeferredOperation::Execute,
    DeferredOperation::Read,
    DeferredOperation::Change,
];

fn account(server: u8) -> AccountId {
    AccountId::new(instance(server.into()))
}

fn set(path: &[u16], value: impl Into<Value>) -> Change {
    Change::Set {
        path: Path::of(path).expect("a path"),
        value: value.into(),
    }
}

/// Registrations, and what is deferred.
impl Device {
    /// A call of the application.
    pub(super) fn call(&mut self, now: Instant, which: u8) {
        let client = &mut self.client;
        match which {
            0..=2 => client.update(now, account(which)),
            3 => client.deregister(now),
            4 | 5 => client.start(now),
            6 => {
                client.go_offline(now);
                self.book.outcomes.gives_up_all();
            }
            7 | 8 => client.go_online(now),
            9 | 10 | 16..=25 => self.defer(which),
            26..=47 => self.object(now, which),
            48..=63 => self.objects(now, which),
            _ => client.changed(now, BATTERY_LEVEL),
        }
    }

    fn defer(&mut self, which: u8) {
        let (operation, path) = match which {
            9 | 10 => (DeferredOperation::Execute, Path::Object(THING)),
            16 | 17 => (DeferredOperation::Change, Path::Object(THING)),
            18 | 19 => (DeferredOperation::Read, thing(0)),
            20 | 21 => (DeferredOperation::Change, thing(1)),
            22 | 23 => (DeferredOperation::Execute, Path::Object(ObjectId::DEVICE)),
            _ => (DeferredOperation::Read, COUNTER),
        };
        if which == 9 || which != 10 && which & 1 == 0 {
            self.client.deferred().defer(operation, path);
        } else {
            self.client.deferred().stop(operation, path);
            assert!(!self.client.deferred().stop(operation, path));
        }
    }

    /// The application answers a request that waits for it: the oldest, as it should, or else.
    pub(super) fn answer(&mut self, now: Instant, choice: u8) {
        let Some(request) = self.waiting.keys().next().copied() else {
            return;
        };
        if choice == 7 {
            return self.answer_wrongly(now, request);
        }
        let Some(waiting) = self.waiting.remove(&request) else {
            return;
        };
        let result = if choice == 6 {
            Err(Code::METHOD_NOT_ALLOWED)
        } else {
            Ok(())
        };
        let answered = match &waiting {
            Waiting::Execute(_) => self.client.deferred().answer_execute(now, request, result),
            Waiting::Read => self.client.deferred().answer_read(now, request, result),
            Waiting::Change { .. } => self.client.deferred().answer_change(now, request, result),
        };
        match answered {
            Ok(code) if code.is_success() => self.takes_effect(waiting),
            // Whether it was executed is not known.
            Err(DeferredError::Overload(_)) => {
                let all = Path::Object(THING);
                self.book.values.replaced(self.client.tree(), all);
            }
            // It has just ended, which is told next.
            Err(DeferredError::NotOpen(_)) => {
                self.waiting.insert(request, waiting);
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
        let again = self.client.deferred().answer_read(now, request, Ok(()));
        assert_eq!(again, Err(DeferredError::NotOpen(request)));
    }

    fn takes_effect(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Execute(arguments) => self.executed(&arguments),
            Waiting::Read => {}
            Waiting::Change {
                operation: Operation::Delete,
                path,
                ..
            } => self.deleted(path),
            Waiting::Change {
                operation: Operation::Create,
                ..
            } => {
                // Which identifiers the Client chooses depends on when it is answered.
                let things = self.client.tree().instances(THING);
                let things = things.map(|id| Path::Instance(THING, id));
                let is_new = |path: &Path| !self.book.values.has(*path);
                let new: Vec<Path> = things.filter(is_new).collect();
                self.created(&new);
            }
            Waiting::Change { path, changes, .. } => {
                self.written(&changes);
                // What else it removes depends on when it is answered.
                self.book.values.replaced(self.client.tree(), path);
            }
        }
    }

    /// Answers that aren't valid: the request stays.
    fn answer_wrongly(&mut self, now: Instant, request: DeferredId) {
        let kind = match self.waiting.get(&request) {
            Some(Waiting::Execute(_)) => 0,
            Some(Waiting::Read) => 1,
            _ => 2,
        };
        for (at, _) in DEFERRED.iter().enumerate() {
            let wrong = if at == kind {
                Err(Code::CONTENT)
            } else {
                Ok(())
            };
            let answered = match at {
                0 => self.client.deferred().answer_execute(now, request, wrong),
                1 => self.client.deferred().answer_read(now, request, wrong),
                _ => self.client.deferred().answer_change(now, request, wrong),
            };
            let is_error = matches!(
                answered,
                Err(DeferredError::Invalid(_) | DeferredError::NotOpen(_))
            );
            assert!(is_error, "{answered:?}");
        }
    }
}

/// Values, Object Instances, accounts and rights.
impl Device {
    /// The application changes something.
    pub(super) fn change(&mut self, now: Instant, which: u8, value: u8) {
        let number = i64::from(value);
        match which {
            0 => self.set(now, set(&[1, 0, 1], number * 4 + 4)),
            1 => self.set(now, set(&[1, 1, 6], value & 1 != 0)),
            2 => self.set(now, set(&[26_241, 0, 1], number)),
            3 => self.set(now, set(&[26_241, 1, 1], number)),
            4 => self.set(now, set(&[3, 0, 9], number)),
            5 => {
                self.book.counter += 1;
                let counter = numbers::counter(self.book.counter);
                let path = COUNTER;
                let value = Value::Integer(counter.into());
                self.set(now, Change::Set { path, value });
            }
            6 => self.change_rights(now, value),
            _ => self.change_instances(now, value),
        }
    }

    fn set(&mut self, now: Instant, change: Change) {
        let Change::Set { path, value } = change.clone() else {
            return;
        };
        if self.client.set(now, path, value).is_ok() {
            self.book.values.commit(self.client.tree(), &[change]);
        }
    }

    fn make(&mut self, now: Instant, owner: Option<usize>, changes: Vec<Change>) -> bool {
        let done = match owner {
            Some(owner) => self.client.change_as(now, SERVERS[owner], changes.clone()),
            None => self.client.change(now, changes.clone()),
        };
        if done.is_ok() {
            self.book.values.commit(self.client.tree(), &changes);
        }
        done.is_ok()
    }

    /// Rights and owners change while the Client runs.
    fn change_rights(&mut self, now: Instant, value: u8) {
        let control = u16::from(value % 12);
        let server = [0, 101, 102, 103][usize::from(value >> 4 & 3)];
        let change = match value >> 6 {
            0 => {
                let bits = AccessRights::READ | AccessRights::WRITE | AccessRights::EXECUTE;
                set(&[2, control, 2, server], i64::from(bits.bits()))
            }
            1 => set(&[2, control, 2, server], 0),
            2 => Change::Clear {
                path: Path::of(&[2, control, 2]).expect("a path"),
            },
            _ => set(&[2, control, 3], i64::from(server)),
        };
        self.make(now, None, vec![change]);
    }

    fn change_instances(&mut self, now: Instant, value: u8) {
        let which = u16::from(value >> 3 & 3);
        let path = thing(2 + which);
        let created = || vec![Change::Create { path }, set(&[26_241, 2 + which, 1], 3)];
        match value & 7 {
            0 => {
                self.make(now, None, created());
            }
            1 => {
                let owner = usize::from(value >> 5) % 3;
                self.make(now, Some(owner), created());
            }
            2 => {
                let path = thing(which);
                self.make(now, None, vec![Change::Delete { path }]);
            }
            3 => {
                let changes = objects::new_account(1 + which, self.kind);
                self.make(now, None, changes);
            }
            4 => self.delete_account(now, which),
            5 => {
                let uri = format!("coap://other{}", value >> 5);
                if self.make(now, None, vec![set(&[0, which, 0], uri)]) {
                    self.is_another(which.into());
                    self.book.outcomes.gives_up(which.into());
                }
            }
            6 => {
                let binding = ["U", "UQS", "S"][usize::from(value >> 5) % 3];
                self.make(now, None, vec![set(&[1, which, 7], binding)]);
            }
            _ => {
                let changes = [set(&[26_241, 0, 1], 5), set(&[26_241, 0, 1], "text")];
                let failed = self.client.change(now, changes);
                assert!(failed.is_err(), "a text that is a number");
            }
        }
    }

    fn delete_account(&mut self, now: Instant, which: u16) {
        let path = |object| Path::Instance(object, instance(which));
        let changes = vec![
            Change::Delete {
                path: path(ObjectId::SECURITY),
            },
            Change::Delete {
                path: path(ObjectId::SERVER),
            },
        ];
        if self.make(now, None, changes) {
            self.is_another(which.into());
            self.book.outcomes.gives_up(which.into());
        }
    }
}

/// Objects of a known type, and Objects that come and go.
impl Device {
    fn object(&mut self, now: Instant, which: u8) {
        let client = &mut self.client;
        let mut firmware = |act: fn(&mut FirmwareUpdateObject)| {
            client.object(now, ObjectId::FIRMWARE_UPDATE, act);
        };
        match which {
            26 => firmware(|object| {
                let _ = object.updated();
            }),
            27 => firmware(|object| {
                let _ = object.update_failed();
            }),
            28 => firmware(|object| {
                let _ = object.downloaded();
            }),
            29 => firmware(|object| {
                let _ = object.failed(DownloadError::Integrity);
            }),
            30 => firmware(|object| {
                let _ = object.progress(7);
            }),
            31 => {
                client
                    .downloads()
                    .give_up(now, PACKAGE_URI, FetchFailure::InvalidUri);
            }
            32..=35 => self.software(now, which),
            36..=39 => self.device(now, which),
            _ => self.statistics(now, which),
        }
    }

    fn software(&mut self, now: Instant, which: u8) {
        let id = InstanceId::ZERO;
        let act = move |object: &mut SoftwareManagementObject| {
            let _ = match which {
                32 => object.verified(id),
                33 => object.verification_failed(id),
                34 => object.installed(id),
                _ => object.failed(id, software::DownloadError::Integrity),
            };
        };
        self.client.object(now, ObjectId::SOFTWARE_MANAGEMENT, act);
    }

    fn device(&mut self, now: Instant, which: u8) {
        let act = |object: &mut DeviceObject| match which {
            36 => object.report(ErrorCode::OutOfMemory),
            37 => object.set_time(now, 1_700_000_000),
            38 => {
                let source = PowerSource {
                    kind: 1,
                    voltage: 3_300,
                    current: 5,
                };
                let _ = object.set_power_source(1, source);
            }
            _ => object.remove_power_source(1),
        };
        let done = self.client.object(now, ObjectId::DEVICE, act);
        assert!(done.is_some(), "the Device is there");
    }

    fn statistics(&mut self, now: Instant, which: u8) {
        let id = ObjectId::CONNECTIVITY_STATISTICS;
        let act = |object: &mut ConnectivityStatisticsObject| match which {
            40 | 41 => object.start(now),
            42 => object.stop(),
            43 => object.sms_sent(now),
            _ => object.sms_received(now),
        };
        self.client.object(now, id, act);
        // Nothing is done to an Object of another type.
        let other = self.client.object(now, id, |_: &mut DeviceObject| ());
        assert_eq!(other, None);
    }

    /// Objects come and go.
    fn objects(&mut self, now: Instant, which: u8) {
        let counter = self.book.counter;
        let component = (which & 1 != 0).then_some(InstanceId::ZERO);
        let location = || Store::new(&LOCATION).with(InstanceId::ZERO, 0, 1.5);
        let object = match which {
            48 | 49 => ObjectId::LOCATION,
            50 | 51 => ObjectId::LOCATION,
            _ => THING,
        };
        // What the factory knew is no longer all that is there.
        self.book.factory = None;
        match which {
            56..=59 => {
                let things = objects::things(counter);
                let replace = |object: &mut Store| *object = things;
                self.client.object(now, THING, replace);
            }
            60 => self.client.changed(now, Path::Root),
            61 => self.client.changed(now, thing(7)),
            62 | 63 => {
                let removed = self.client.change_objects(now, component, |objects| {
                    assert!(!objects.remove(ObjectId::DEVICE), "it is mandatory");
                });
                assert_eq!(removed, Ok(()));
            }
            _ => {
                // Without room for rights, the Objects come all the same.
                let _ = self
                    .client
                    .change_objects(now, component, |objects| match which {
                        48 | 49 => objects.add(location()),
                        52 | 53 => objects.add(objects::things(counter)),
                        _ => {
                            objects.remove(object);
                        }
                    });
            }
        }
        let values = &mut self.book.values;
        values.replaced(self.client.tree(), Path::Object(object));
    }
}
