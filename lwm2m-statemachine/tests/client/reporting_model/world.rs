//! What values, attributes, rights and links there are after each event, and how a server is
//! answered. Each event makes a new world of the one before.

use alloc::collections::BTreeMap;

use lwm2m_core::{AccessRights, Code, Value};

use super::script::{Act, Array, INSTANCES, Place, Queries, SERVERS, Script, resource};

/// The attributes that a server has set at one place; `effective` ones are of all levels.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Attributes {
    pub(super) pmin: Option<f64>,
    pub(super) pmax: Option<f64>,
    pub(super) gt: Option<f64>,
    pub(super) lt: Option<f64>,
    pub(super) st: Option<f64>,
}

#[derive(Clone)]
pub(super) struct World {
    /// By Resource.
    values: BTreeMap<Place, Array>,
    attributes: BTreeMap<(usize, Place), Attributes>,
    /// By server and Object Instance.
    rights: BTreeMap<(usize, Place), AccessRights>,
    /// Default Minimum and Maximum Period (TS E.2/2, E.2/3), by server.
    periods: [(Option<u32>, Option<u32>); SERVERS],
    /// Notification Storing When Disabled or Offline (TS E.2/6), by server.
    pub(super) storing: [bool; SERVERS],
    /// Whether a server is reached: its link is up, and the Update after a return is answered.
    pub(super) reached: [bool; SERVERS],
}

/// What a Resource has at the beginning.
pub(super) fn first_values(resource: u16) -> Array {
    match resource {
        resource::FLOAT => Array::from([(0, Value::Float(0.5))]),
        resource::BOOLEAN => Array::from([(0, Value::Boolean(false))]),
        resource::STRING => Array::from([(0, Value::from("a"))]),
        resource::INTEGERS => Array::from([(0, Value::Integer(1)), (2, Value::Integer(5))]),
        resource::FLOATS => Array::from([(1, Value::Float(2.25)), (3, Value::Float(4.0))]),
        _ => Array::from([(0, Value::Integer(3))]),
    }
}

/// What all servers may do at the beginning.
pub(super) fn first_rights() -> AccessRights {
    AccessRights::READ | AccessRights::WRITE
}

/// All places below, in order.
fn resources_of(place: Place) -> impl Iterator<Item = Place> {
    let all = INSTANCES.into_iter().flat_map(|instance| {
        let ids = resource::READABLE.into_iter();
        ids.map(move |id| Place::resource(instance, id))
    });
    all.filter(move |resource| place.contains(*resource))
}

impl World {
    pub(super) fn new(script: &Script) -> Self {
        let mut values = BTreeMap::new();
        let mut rights = BTreeMap::new();
        for instance in INSTANCES {
            for id in resource::READABLE {
                values.insert(Place::resource(instance, id), first_values(id));
            }
            for server in 0..SERVERS {
                rights.insert((server, Place::instance(instance)), first_rights());
            }
        }
        Self {
            values,
            attributes: BTreeMap::new(),
            rights,
            periods: script.periods,
            storing: script.storing,
            reached: [true; SERVERS],
        }
    }

    /// The world after an act, and the code that a server gets for its request.
    pub(super) fn after(&self, act: &Act) -> (Self, Option<Code>) {
        let mut world = self.clone();
        let code = world.take(act);
        (world, code)
    }

    fn take(&mut self, act: &Act) -> Option<Code> {
        match *act {
            Act::Observe { server, place, .. } | Act::Cancel { server, place, .. } => {
                return Some(self.read(server, place));
            }
            Act::WriteAttributes {
                server,
                place,
                ref queries,
            } => return Some(self.write_attributes(server, place, queries)),
            Act::Write {
                server,
                resource,
                replace,
                ref values,
            } => return Some(self.write(server, resource, replace, values)),
            Act::WriteInstance {
                server,
                instance,
                ref values,
            } => {
                for (id, values) in values {
                    let resource = Place {
                        resource: Some(*id),
                        ..instance
                    };
                    self.write(server, resource, false, values);
                }
                return Some(self.may_write(server, instance));
            }
            Act::WritePeriod {
                server,
                resource,
                seconds,
            } => {
                self.set_period(server, resource, seconds);
                return Some(Code::CHANGED);
            }
            Act::SetPeriod {
                server,
                resource,
                seconds,
            } => self.set_period(server, resource, seconds),
            Act::SetStoring { server, storing } => self.storing[server] = storing,
            Act::Set {
                resource,
                id,
                ref value,
            } => {
                let values = self.values.get_mut(&resource).unwrap();
                values.insert(id, value.clone());
            }
            Act::SetRights {
                server,
                instance,
                rights,
            } => {
                self.rights.insert((server, instance), rights);
            }
            Act::Lose { server } => self.reached[server] = false,
            Act::GoOffline => self.reached = [false; SERVERS],
            Act::Return { server } => self.reached[server] = true,
            // The Update comes before all else (TS 8.3).
            Act::Find { .. } | Act::GoOnline { .. } | Act::Reset { .. } => {}
        }
        None
    }

    const fn set_period(&mut self, server: usize, resource: u16, seconds: u32) {
        match resource {
            2 => self.periods[server].0 = Some(seconds),
            _ => self.periods[server].1 = Some(seconds),
        }
    }

    fn may(&self, server: usize, place: Place, right: AccessRights) -> bool {
        let instance = match place.resource {
            Some(_) => place.parent(),
            None => place,
        };
        self.rights[&(server, instance)].contains(right)
    }

    /// Read and Observe need the right to read (TS 7.3.2); of an Object, what may be read is read
    /// (TS 7.3.2.4).
    fn read(&self, server: usize, place: Place) -> Code {
        if place.instance.is_some() && !self.may(server, place, AccessRights::READ) {
            return Code::UNAUTHORIZED;
        }
        Code::CONTENT
    }

    fn may_write(&self, server: usize, place: Place) -> Code {
        if self.may(server, place, AccessRights::WRITE) {
            Code::CHANGED
        } else {
            Code::UNAUTHORIZED
        }
    }

    /// A Write (TS 5.4.3). Replace of a multiple Resource replaces the array, Partial Update merges.
    fn write(&mut self, server: usize, place: Place, replace: bool, values: &Array) -> Code {
        let code = self.may_write(server, place);
        if code == Code::CHANGED && place.resource != Some(resource::SECRET) {
            let stored = self.values.get_mut(&place).unwrap();
            if replace {
                stored.clear();
            }
            stored.extend(values.clone());
        }
        code
    }

    /// A Write-Attributes (TS 5.1.2, 5.4.4) needs no right (TS 7.3.2), and counts whole or not at
    /// all.
    fn write_attributes(&mut self, server: usize, place: Place, queries: &Queries) -> Code {
        // "Readable Resource" is a condition of all of them (Table 4).
        if place.resource == Some(resource::SECRET) {
            return Code::METHOD_NOT_ALLOWED;
        }
        let numeric = !matches!(
            place.resource,
            None | Some(resource::BOOLEAN | resource::STRING)
        );
        let mut attributes = self.own(server, place);
        for (name, value) in queries {
            let attribute = match *name {
                "pmin" => &mut attributes.pmin,
                "pmax" => &mut attributes.pmax,
                // "Resource" is their only level, "Numerical" a condition (Table 4).
                _ if !numeric => return Code::BAD_REQUEST,
                "gt" => &mut attributes.gt,
                "lt" => &mut attributes.lt,
                _ => &mut attributes.st,
            };
            *attribute = *value;
        }
        // "The maximum period parameter MUST be not smaller than the minimum period parameter."
        if matches!((attributes.pmin, attributes.pmax), (Some(pmin), Some(pmax)) if pmax < pmin) {
            return Code::BAD_REQUEST;
        }
        // "lt" value + 2*"st" values < "gt" value.
        let step = attributes.st.unwrap_or(0.0);
        if matches!((attributes.lt, attributes.gt), (Some(lt), Some(gt)) if lt + 2.0 * step >= gt) {
            return Code::BAD_REQUEST;
        }
        self.attributes.insert((server, place), attributes);
        Code::CHANGED
    }

    fn own(&self, server: usize, place: Place) -> Attributes {
        let own = self.attributes.get(&(server, place));
        own.copied().unwrap_or_default()
    }

    /// The attributes of a Resource: each by itself from the Resource, else from the Object
    /// Instance, else from the Object (TS 5.1.1, rules 3 to 5); the periods else from the Server
    /// Object (TS 5.1.2, E.2).
    pub(super) fn effective(&self, server: usize, resource: Place) -> Attributes {
        let own = self.own(server, resource);
        let instance = self.own(server, resource.parent());
        let object = self.own(server, resource.parent().parent());
        let (minimum, maximum) = self.periods[server];
        let pmin = own.pmin.or(instance.pmin).or(object.pmin);
        let pmax = own.pmax.or(instance.pmax).or(object.pmax);
        Attributes {
            pmin: pmin.or(minimum.map(f64::from)),
            pmax: pmax.or(maximum.map(f64::from)),
            ..own
        }
    }

    /// The Resources at a place that a server may read (TS 7.3.2.4, 7.3.2.5).
    pub(super) fn readable(&self, server: usize, place: Place) -> impl Iterator<Item = Place> {
        let all = resources_of(place);
        all.filter(move |resource| self.may_read(server, *resource))
    }

    pub(super) fn may_read(&self, server: usize, resource: Place) -> bool {
        self.may(server, resource, AccessRights::READ)
    }

    pub(super) fn values(&self, resource: Place) -> &Array {
        &self.values[&resource]
    }

    /// What a server reads at a place.
    pub(super) fn content(&self, server: usize, place: Place) -> Content {
        let resources = self.readable(server, place);
        resources.map(|at| (at, self.values[&at].clone())).collect()
    }
}

/// The values of an answer or a notification, by Resource.
pub(super) type Content = BTreeMap<Place, Array>;
