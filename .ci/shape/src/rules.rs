//! The bounds, and which room of a crate may use which.

pub struct Bounds {
    /// Functions in the inherent implementations of one type, wherever these stand.
    pub methods: usize,
    /// Of a `struct`, or of a variant of an `enum`.
    pub fields: usize,
    /// Of a function, from the line with `fn` to the closing brace.
    pub lines: usize,
}

pub const BOUNDS: Bounds = Bounds {
    methods: 60,
    fields: 12,
    lines: 60,
};

/// The crates that are looked at, lowest first.
pub const CRATES: [&str; 6] = [
    "lwm2m-core",
    "lwm2m-tlv",
    "lwm2m-json",
    "lwm2m-linkformat",
    "lwm2m-objects",
    "lwm2m-statemachine",
];

/// A type that may have more fields.
pub struct Large {
    pub krate: &'static str,
    pub name: &'static str,
}

/// Plain data structs whose fields are the rows of a table of the specification, each with that.
pub const LARGE: &[Large] = &[
    // TS E.4: the Resources of Object 3.
    Large {
        krate: "lwm2m-objects",
        name: "Device",
    },
    // The Resources of Object 9.
    Large {
        krate: "lwm2m-objects",
        name: "SoftwareManagement",
    },
];

/// The modules of a crate, or of one of its modules, in layers, lowest first. Rooms of one layer
/// don't know each other; a room may consist of several modules: `tree+saved`. The file of the
/// module itself stands above all layers. Every other module has to be named.
pub struct Order {
    pub krate: &'static str,
    pub within: &'static str,
    pub layers: &'static [&'static [&'static str]],
}

pub const ORDERS: &[Order] = &[
    Order {
        krate: "lwm2m-statemachine",
        within: "",
        layers: &[
            &["machine", "smartcard"],
            &["coap"],
            &["downlink"],
            &["bootstrap_server", "client", "server"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "machine",
        layers: &[
            &["past", "random", "timer", "transport"],
            &["handles", "identities"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "downlink",
        layers: &[
            &["host", "origin", "payload"],
            &["naming", "outcome"],
            &["answer", "request"],
            &["bootstrap", "call", "ledger"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "smartcard",
        layers: &[
            &["apdu", "file", "oid"],
            &["config", "contents", "error", "exchange"],
            &["ber", "refresh", "step"],
            &["control", "directory"],
            &["fetch"],
            &["walk"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "client",
        layers: &[
            &[
                "changed",
                "config",
                "event",
                "objects",
                "usage",
                "refusal",
                "span",
                "statistics",
            ],
            &[
                "accounts",
                "attributes",
                "connection",
                "content",
                "mark",
                "retry",
                "timers",
            ],
            &["discover"],
            &["bootstrap", "downloads", "flows", "registrations"],
            &["reporting"],
            &["requests"],
            &["parts"],
            &["sleep"],
            &["routing", "views"],
            &["calls"],
            &["card", "connecting", "machine", "snapshot"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "client::bootstrap",
        layers: &[
            &[
                "commands",
                "context",
                "failures",
                "meanwhile",
                "sequence",
                "session",
                "timeout",
            ],
            &["parts"],
            &["advancing"],
            &["events", "record"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "client::reporting",
        layers: &[
            &["numbers", "values"],
            &["view"],
            &["schedule"],
            &["stored", "table"],
            &["history", "kept"],
            &["known"],
            &["parts"],
            &["ending", "record"],
            &["returning"],
            &["disabling", "sending"],
            &["changes", "observing", "restoring"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "client::registrations",
        layers: &[
            &[
                "action", "awake", "card", "disabled", "late", "link", "location",
            ],
            &["links", "news", "parameters"],
            &["lease", "context"],
            &["registration"],
            &["queue", "step"],
            &["moving"],
            &["advancing"],
            &["disabling"],
            &["events", "record"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "client::requests",
        layers: &[
            &["bindings"],
            &["admission", "commits", "large", "streams"],
            &["deferred"],
            &["parts"],
            &["bootstrapping", "operations"],
            &["blocks"],
            &["serving", "answering"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "bootstrap_server",
        layers: &[
            &["config", "found", "id", "identity", "plan", "refusal"],
            &["event", "packed", "plans"],
            &["bootstraps"],
            &["parts"],
            &["ending"],
            &["requests", "steps"],
            &["calls"],
            &["machine"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "bootstrap_server::plans",
        layers: &[&["error"], &["access", "account"], &["writing"]],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "server",
        layers: &[
            &["config", "id"],
            &["gate"],
            &["keeping", "registrar"],
            &["calls", "definitions", "event", "queue"],
            &["triggers"],
            &["record"],
            &["parts"],
            &["announcing", "recorded"],
            &["ending", "taking"],
            &["sending"],
            &["triggering"],
            &["waking"],
            &["failing", "handing_over"],
            &["moving", "waiting"],
            &["requests", "answers", "operations", "restoring"],
            &["by_sms", "machine"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "server::registrar",
        layers: &[
            &["eviction", "location", "pages", "refusal"],
            &["objects", "parameters"],
            &["registration"],
            &["policy", "registrations"],
            &["admission"],
            &["record"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "coap",
        layers: &[
            &["token", "option"],
            &["message"],
            &["message_buf"],
            &["endpoint"],
        ],
    },
    Order {
        krate: "lwm2m-statemachine",
        within: "coap::endpoint",
        layers: &[
            // What all layers name.
            &[
                "body+config+context+deadline+event+events+fingerprint+index+keys+notice+options+table+usage",
            ],
            &["messages", "blockwise"],
            &["exchanges"],
            // What a call of one layer leads to in the others.
            &["layers"],
            &["routing"],
            &["peers"],
            &["arriving", "sending"],
            &["matching"],
            // The endpoint, and the calls of the application.
            &["machine"],
            &[
                "requesting",
                "responding",
                "notifying",
                "bodies",
                "connections",
                "open",
            ],
        ],
    },
    Order {
        krate: "lwm2m-objects",
        within: "",
        layers: &[
            &["saved"],
            &["definition"],
            &["tree"],
            &["typed"],
            &["access", "behaviour"],
            &["bootstrap"],
            &["example"],
        ],
    },
];

/// A room that may use no other of the six crates than these.
pub struct Foreign {
    pub krate: &'static str,
    pub within: &'static str,
    pub sees: &'static [&'static str],
}

pub const FOREIGN: &[Foreign] = &[
    Foreign {
        krate: "lwm2m-statemachine",
        within: "machine",
        sees: &["lwm2m_core"],
    },
    Foreign {
        krate: "lwm2m-statemachine",
        within: "coap",
        sees: &["lwm2m_core"],
    },
];
