#![doc = include_str!("guide.md")]

mod accounts;
mod attributes;
mod bootstrap;
mod calls;
#[cfg(feature = "smartcard")]
mod card;
mod changed;
mod config;
mod connecting;
mod connection;
mod content;
mod discover;
mod downloads;
mod event;
mod flows;
mod machine;
mod mark;
mod objects;
mod parts;
mod refusal;
mod registrations;
mod reporting;
mod requests;
mod retry;
mod routing;
mod sleep;
mod snapshot;
mod span;
mod statistics;
mod timers;
mod usage;
mod views;

pub use self::{
    calls::Client,
    config::{
        Announced, Backoff, BootstrapConfig, ClientConfig, ClientError, Deferring, DownloadConfig,
        QueueMode, Reliability, Storing,
    },
    connection::{Inbound, InboundRefusal, Session},
    event::{
        AccountId, AccountRole, AccountStatus, BootstrapFailure, BootstrapInitiator,
        BootstrapRefusal, BootstrapState, ClientEvent, ConnectionId, DeferredEnd, DeferredError,
        DeferredId, DeferredOperation, DownloadOutcome, DownloadStatus, FailureKind, InvalidAnswer,
        ObservationStatus, QueueState, RegistrationFailure, RegistrationState, StoredNotifications,
    },
    objects::ObjectSet,
    snapshot::ClientSnapshot,
    usage::ClientUsage,
    views::{Bootstrapping, DeferredRequests, ReportingStatus, RunningDownloads},
};
