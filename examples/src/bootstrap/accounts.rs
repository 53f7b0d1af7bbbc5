//! Accounts of a file: of servers, and of the Bootstrap-Server itself (TS 5.2.2).

use lwm2m_core::{BindingMode, ShortServerId};
use lwm2m_objects::typed::{self, SmsSecurity, SmsSecurityMode};
use lwm2m_statemachine::bootstrap_server::plans::Account;

use super::{
    document::{Mistake, Table},
    keys::{Keys, Peer},
    material::Template,
};

/// What an account may say, whichever mode it has, besides keys.
const OF_ALL: [&str; 4] = ["mode", "uri", "sms-number", "sms-mode"];

const OF_SERVERS: [&str; 7] = [
    "id",
    "lifetime",
    "binding",
    "pmin",
    "pmax",
    "disable-timeout",
    "storing",
];

const OF_BOOTSTRAP: [&str; 2] = ["hold-off", "account-timeout"];

const SECONDS: &str = "a number of seconds";

/// The account of a server.
#[derive(Clone, Debug)]
pub(super) struct ServerAccount {
    pub(super) id: ShortServerId,
    reached: Reached,
    server: typed::Server,
}

/// A new account of the Bootstrap-Server.
#[derive(Clone, Debug)]
pub(super) struct OwnAccount {
    reached: Reached,
    hold_off: Option<u32>,
    timeout: Option<u32>,
}

/// How a server is reached, and with which keys.
#[derive(Clone, Debug)]
struct Reached {
    uri: Template,
    keys: Keys,
    sms: SmsSecurity,
}

impl ServerAccount {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&[&OF_SERVERS[..], &OF_ALL, &Peer::Server.all()].concat())?;
        let id = table
            .number("id", "a Short Server ID of 1 to 65534")?
            .and_then(ShortServerId::new);
        let id =
            id.ok_or_else(|| table.mistake("id", "expected a Short Server ID of 1 to 65534"))?;
        let binding = match table.string("binding")? {
            None => BindingMode::U,
            Some(text) => text
                .parse()
                .map_err(|_| table.mistake("binding", "expected U, UQ, S, SQ, US or UQS"))?,
        };
        Ok(Self {
            id,
            reached: Reached::read(table)?,
            server: typed::Server {
                default_minimum_period: table.number("pmin", SECONDS)?,
                default_maximum_period: table.number("pmax", SECONDS)?,
                disable_timeout: table.number("disable-timeout", SECONDS)?,
                notification_storing: table.boolean("storing")?.unwrap_or(true),
                binding,
                ..typed::Server::new(id, table.number("lifetime", SECONDS)?.unwrap_or(86_400))
            },
        })
    }

    /// The account for this client. The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<Account, String> {
        Ok(Account {
            security: self.reached.security(endpoint, Some(self.id))?,
            server: self.server.clone(),
        })
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.reached.is_fixed()
    }
}

impl OwnAccount {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&[&OF_BOOTSTRAP[..], &OF_ALL, &Peer::Server.all()].concat())?;
        Ok(Self {
            reached: Reached::read(table)?,
            hold_off: table.number("hold-off", SECONDS)?,
            timeout: table.number("account-timeout", SECONDS)?,
        })
    }

    /// The account for this client. The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<typed::Security, String> {
        Ok(typed::Security {
            client_hold_off_time: self.hold_off,
            bootstrap_account_timeout: self.timeout,
            ..self.reached.security(endpoint, None)?
        })
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.reached.is_fixed()
    }
}

impl Reached {
    fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        let uri = table.required("uri")?;
        let mode = mode(table, uri)?.unwrap_or("nosec");
        Ok(Self {
            uri: Template::new(uri),
            keys: Keys::read(table, mode, Peer::Server)?,
            sms: sms(table)?,
        })
    }

    /// The Security Object Instance, of a Bootstrap-Server if there is no Short Server ID.
    fn security(
        &self,
        endpoint: &str,
        id: Option<ShortServerId>,
    ) -> Result<typed::Security, String> {
        let (mode, [own, server, secret]) = self.keys.of(endpoint)?;
        Ok(typed::Security {
            server_uri: self.uri.fill(endpoint),
            bootstrap_server: id.is_none(),
            mode,
            public_key_or_identity: own,
            server_public_key: server,
            secret_key: secret,
            sms: self.sms.clone(),
            short_server_id: id,
            client_hold_off_time: None,
            bootstrap_account_timeout: None,
        })
    }

    fn is_fixed(&self) -> bool {
        self.keys.is_fixed() && self.uri.is_fixed()
    }
}

/// The security mode that is said. It can be left out if the URI tells that there is none.
fn mode<'s>(table: &Table<'s>, uri: &str) -> Result<Option<&'s str>, Mistake> {
    let mode = table.string("mode")?;
    let scheme = uri.split(':').next().unwrap_or_default();
    // `{endpoint}` may stand for the scheme, too.
    let is_open = !Template::new(scheme).is_fixed();
    let is_secured = scheme.eq_ignore_ascii_case("coaps");
    let what = match mode {
        None if is_secured => "expected this key with coaps://: psk, rpk, certificate or est",
        None if is_open => "expected this key, as the URI doesn't tell whether there is security",
        Some("nosec") if is_secured => "expected psk, rpk, certificate or est with coaps://",
        Some(mode) if mode != "nosec" && scheme.eq_ignore_ascii_case("coap") => {
            "expected nosec with coap://"
        }
        _ => return Ok(mode),
    };
    Err(table.mistake("mode", what))
}

/// How SMS are secured, which for SMS with keys takes steps of their own.
fn sms(table: &Table<'_>) -> Result<SmsSecurity, Mistake> {
    let mode = match table.string("sms-mode")? {
        None => None,
        Some("nosec") => Some(SmsSecurityMode::NoSec),
        Some(_) => return Err(table.mistake("sms-mode", "expected nosec")),
    };
    Ok(SmsSecurity {
        mode,
        server_number: table.string("sms-number")?.map(str::to_owned),
        ..SmsSecurity::default()
    })
}
