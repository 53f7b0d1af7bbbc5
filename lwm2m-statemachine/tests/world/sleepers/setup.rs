//! What the devices are made with: a configuration of the Client, and its Objects.

use core::time::Duration;

use lwm2m_core::{BindingMode, DataType, InstanceId, ObjectId, Path, ShortServerId};
use lwm2m_objects::{ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store, typed};
use lwm2m_simulation::{Address, Random};
use lwm2m_statemachine::{AccountId, ClientConfig};

use super::world::Fault;

pub(super) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
pub(super) const METER: ObjectId = ObjectId::new(26_241);
/// It only grows, and each device has values of its own.
pub(super) const COUNTER: Path = Path::of(&[26_241, 0, 0]).unwrap();
pub(super) const RUN: Path = Path::of(&[26_241, 0, 5]).unwrap();
/// The server writes it by POST, each value once.
pub(super) const OFFSET: Path = Path::of(&[3, 0, 14]).unwrap();
pub(super) const BINDING: Path = Path::of(&[1, 0, 7]).unwrap();
pub(super) const DISABLE: Path = Path::of(&[1, 0, 4]).unwrap();
pub(super) const DISABLE_TIMEOUT: Path = Path::of(&[1, 0, 5]).unwrap();
const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
pub(super) const NUMBER: &str = "491700000001";

static RESOURCES: [ResourceDefinition; 3] = [
    ResourceDefinition::new(0, "Counter", Operations::Read, DataType::Integer),
    ResourceDefinition::new(2, "Number", Operations::ReadWrite, DataType::String).mandatory(),
    ResourceDefinition::executable(5, "Run"),
];
pub(super) static DEFINITION: ObjectDefinition =
    ObjectDefinition::new(METER, "Meter", "urn:oma:lwm2m:x:26241", &RESOURCES).multiple();

/// What a device is made with, and made of anew when it reboots.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) name: String,
    pub(super) server: Address,
    /// The binding that it has at first, and comes back to.
    pub(super) binding: BindingMode,
    /// Whether its server may disable itself.
    pub(super) may_be_disabled: bool,
    /// Whether nothing is lost.
    pub(super) is_calm: bool,
    pub(super) fault: Fault,
}

impl Setup {
    /// Of twenty devices one has S and another one SQ. Every third of the others is reached over SMS as well, while
    /// it sleeps.
    pub(super) const fn binding_of(number: u64) -> BindingMode {
        match number % 20 {
            1 => BindingMode::S,
            7 => BindingMode::SQ,
            _ if number.is_multiple_of(3) => BindingMode::UQS,
            _ => BindingMode::UQ,
        }
    }

    /// Whether it takes short messages.
    pub(super) const fn has_modem(&self) -> bool {
        self.binding.has_sms()
    }

    /// Whether it registers over SMS at first.
    pub(super) const fn is_by_sms(&self) -> bool {
        self.has_modem() && !self.binding.has_udp()
    }

    /// The configuration of its Client.
    pub(super) fn config(&self, random: &mut Random) -> ClientConfig {
        let mut config = ClientConfig::new(self.name.clone(), random.seed());
        config.announced.sms_number = self.has_modem().then(|| "491700000000".into());
        config.queue_mode.wakes_to_notify = random.chance(0.5);
        if self.fault == Fault::DeviceSleepsTooEarly {
            config.queue_mode.awake = Some(Duration::from_secs(31));
        }
        config
    }

    /// The Objects of its Client.
    pub(super) fn tree(&self, lifetime: u32) -> ObjectTree {
        let security =
            typed::Security::no_sec("coap://server", SERVER).with_sms(typed::SmsSecurity {
                mode: Some(typed::SmsSecurityMode::NoSec),
                server_number: Some(NUMBER.into()),
                ..typed::SmsSecurity::default()
            });
        let account = typed::Server {
            binding: self.binding,
            disable: self.may_be_disabled,
            disable_timeout: self.may_be_disabled.then_some(300),
            default_minimum_period: Some(0),
            ..typed::Server::new(SERVER, lifetime)
        };
        let device = typed::Device {
            supported_binding: BindingMode::UQS,
            ..typed::Device::example()
        };
        let meter = Store::new(&DEFINITION)
            .with(InstanceId::ZERO, 0, 0)
            .with(InstanceId::ZERO, 2, "0")
            .with_executable(InstanceId::ZERO, 5)
            .managed(20);
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(InstanceId::ZERO, security)]));
        tree.add(Store::of([(InstanceId::ZERO, account)]));
        tree.add(Store::of([(InstanceId::ZERO, device)]));
        tree.add(meter);
        tree
    }
}
