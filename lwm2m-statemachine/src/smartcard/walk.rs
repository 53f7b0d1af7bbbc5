//! The way to the bootstrap file, command by command (TS G.2.5).

use alloc::{collections::VecDeque, vec::Vec};
use core::{fmt, mem};

use super::{
    apdu::{Command, LogicalChannel, SelectBy, Status},
    config::{ApplicationId, ChannelUse, WalkConfig},
    control::FileControl,
    directory::{DataObjects, Entry, FilePart, FilePath, applications, data_objects, find_entry},
    error::{CardFile, DataError, WalkError},
    exchange::{Exchange, Fault, MAX_RESPONSE},
    fetch::{Fetch, Fetched, Terms},
    step::{PinRequest, Step},
};

/// The way through a card to its bootstrap file. It says which command to send next, and is fed the
/// response; see the [module](super) for the loop.
///
/// It ends within its [bounds](super::WalkBounds), whatever the card answers.
pub struct Walk {
    config: WalkConfig,
    state: State,
    place: Place,
    /// The PKCS#15 applications that are left to look at.
    applications: VecDeque<ApplicationId>,
    /// The data objects of the current one that are left to look at.
    directories: VecDeque<DataObjects>,
    /// The bootstrap file, once a directory has named it.
    entry: Option<Entry>,
    /// Why the first of the applications that can't be selected can't.
    unselected: Option<WalkError>,
    /// How many commands may still be sent.
    commands: u16,
    /// How often a PIN may still be asked for.
    pins: u8,
}

/// Where the walk is on the card.
#[derive(Default)]
struct Place {
    channel: LogicalChannel,
    /// Whether the walk has opened that channel.
    opened: bool,
    /// Whether the caller has established a secure channel.
    secured: bool,
    /// Whether the current directory is that of the PKCS#15 application.
    in_application: bool,
    /// The PINs of the application that are enabled, if the card tells.
    enabled: Option<Vec<u8>>,
}

enum State {
    Sending(Task, Exchange),
    SecureChannel,
    /// A PIN is needed for this task, which the card may have refused.
    Pin {
        task: Fetch,
        refused: bool,
    },
    Done(Outcome),
}

/// What a command is part of.
enum Task {
    OpenChannel,
    Select(ApplicationId),
    Fetch(Fetch),
    CloseChannel(Outcome),
}

type Outcome = Result<Option<Vec<u8>>, WalkError>;

/// How often a PIN is asked for: there may be one for each directory and one for the file.
const PIN_REQUESTS: u8 = 4;

impl Walk {
    /// A walk that begins now.
    pub fn new(config: WalkConfig) -> Self {
        let mut walk = Self {
            commands: config.bounds.commands,
            state: State::Done(Ok(None)),
            place: Place::default(),
            applications: VecDeque::new(),
            directories: VecDeque::new(),
            entry: None,
            unselected: None,
            pins: PIN_REQUESTS,
            config,
        };
        match walk.config.channel {
            ChannelUse::Open => walk.perform(Task::OpenChannel),
            ChannelUse::Number(channel) => {
                walk.place.channel = channel;
                walk.read_directory();
            }
        }
        walk
    }

    /// What is to be done next. It stays the same until the caller has said that it is done.
    pub fn step(&self) -> Step<'_> {
        match &self.state {
            State::Sending(task, exchange) => Step::Send {
                command: exchange.bytes(),
                secured: self.place.secured && matches!(task, Task::Fetch(_)),
            },
            State::SecureChannel => Step::SecureChannel(self.place.channel),
            State::Pin { task, refused } => Step::VerifyPin(PinRequest {
                file: task.file(),
                channel: self.place.channel,
                references: self.place.enabled.as_deref(),
                label: self.entry.as_ref().and_then(|entry| entry.label.as_deref()),
                refused: *refused,
            }),
            State::Done(outcome) => Step::Done(match outcome {
                Ok(file) => Ok(file.as_deref()),
                Err(error) => Err(*error),
            }),
        }
    }

    /// Takes the card's response: data, if there is any, and the two bytes of the status. Does nothing
    /// unless the step is [`Send`](Step::Send).
    pub fn answer(&mut self, response: &[u8]) {
        match self.take_state() {
            State::Sending(Task::CloseChannel(outcome), _) => self.state = State::Done(outcome),
            State::Sending(task, exchange) => self.answered(task, exchange, response),
            other => self.state = other,
        }
    }

    /// Says whether the [secure channel](Step::SecureChannel) is established. Without it the walk ends.
    /// Does nothing unless the step is that.
    pub fn secure_channel(&mut self, established: bool) {
        if !matches!(self.state, State::SecureChannel) {
            return;
        }
        if established {
            self.place.secured = true;
            self.read_object_directory();
        } else {
            self.end(Err(WalkError::SecureChannel));
        }
    }

    /// Says whether the [PIN](Step::VerifyPin) is verified, or isn't needed. If not, the walk ends. Does
    /// nothing unless the step is that.
    pub fn pin(&mut self, verified: bool) {
        match self.take_state() {
            State::Pin { task, .. } if verified => self.perform(Task::Fetch(task)),
            State::Pin { task, .. } => self.end(Err(WalkError::Pin(task.file()))),
            other => self.state = other,
        }
    }

    /// The bootstrap file as far as it counts, if the walk has ended with one.
    pub fn into_file(self) -> Option<Vec<u8>> {
        match self.state {
            State::Done(Ok(file)) => file,
            _ => None,
        }
    }
}

/// What follows from the response to a command.
impl Walk {
    fn answered(&mut self, task: Task, mut exchange: Exchange, response: &[u8]) {
        let file = task.file();
        let ended = match exchange.answer(response) {
            Ok(Some((data, status))) => self.completed(task, &data, status),
            Ok(None) => {
                self.send(task, exchange);
                Ok(())
            }
            Err(Fault::NoStatus) => {
                let length = response.len();
                Err(WalkError::NoStatus { file, length })
            }
            Err(Fault::TooLong) => {
                let limit = MAX_RESPONSE;
                Err(WalkError::TooLong { file, limit })
            }
        };
        if let Err(error) = ended {
            self.end(Err(error));
        }
    }

    fn completed(&mut self, task: Task, data: &[u8], status: Status) -> Result<(), WalkError> {
        let file = task.file();
        match task {
            Task::OpenChannel if status.is_success() => {
                let [number @ 1..=u8::MAX] = *data else {
                    return Err(WalkError::Channel);
                };
                self.place.channel = LogicalChannel::new(number).ok_or(WalkError::Channel)?;
                self.place.opened = true;
                self.read_directory();
            }
            Task::Select(_) if status == Status::NOT_FOUND => self.next_application(),
            Task::Select(_) => match selected(data, status) {
                Ok(control) => self.enter_application(control),
                // Another application may have the file.
                Err(error) => {
                    self.unselected.get_or_insert(error);
                    self.next_application();
                }
            },
            Task::Fetch(fetch) => self.fetched(fetch, data, status)?,
            _ => return Err(WalkError::Status { file, status }),
        }
        Ok(())
    }

    fn fetched(&mut self, mut fetch: Fetch, data: &[u8], status: Status) -> Result<(), WalkError> {
        let file = fetch.file();
        match fetch.take(data, status, self.terms())? {
            Fetched::More => {
                self.place.in_application = fetch.stays_in_application();
                self.perform(Task::Fetch(fetch));
            }
            Fetched::Whole(bytes) => {
                self.place.in_application = fetch.stays_in_application();
                self.read(file, bytes)?;
            }
            Fetched::Denied => self.ask_for_pin(fetch, true)?,
            Fetched::NotFound => match file {
                CardFile::ObjectDirectory => self.next_application(),
                CardFile::DataObjectDirectory => self.next_directory()?,
                _ => self.end_without_file(),
            },
        }
        Ok(())
    }

    /// A file was read.
    fn read(&mut self, file: CardFile, bytes: Vec<u8>) -> Result<(), WalkError> {
        let most = self.config.bounds.candidates;
        match file {
            CardFile::Directory => {
                let found = applications(&bytes, &self.config.applications);
                self.applications = found.map_err(at(file))?.into_iter().take(most).collect();
                self.next_application();
            }
            CardFile::ObjectDirectory => {
                let found = data_objects(&bytes).map_err(at(file))?;
                self.directories = found.into_iter().take(most).collect();
                self.next_directory()?;
            }
            CardFile::DataObjectDirectory => match self.find(&bytes)? {
                Some(entry) => self.read_bootstrap_file(entry)?,
                None => self.next_directory()?,
            },
            _ => self.end(Ok(Some(bytes))),
        }
        Ok(())
    }

    fn find(&self, directory: &[u8]) -> Result<Option<Entry>, WalkError> {
        let entry = find_entry(directory, &self.config.object_identifier);
        entry.map_err(at(CardFile::DataObjectDirectory))
    }
}

/// The way: EF(DIR), the application, EF(ODF), EF(DODF), the file.
impl Walk {
    fn read_directory(&mut self) {
        self.fetch(CardFile::Directory, FilePart::whole(FilePath::directory()));
    }

    fn next_application(&mut self) {
        // Another application ends the secure channel of the one before.
        self.place.secured = false;
        match self.applications.pop_front() {
            Some(application) => self.perform(Task::Select(application)),
            None => self.end_without_file(),
        }
    }

    /// The application is selected.
    fn enter_application(&mut self, control: FileControl) {
        self.place.enabled = control.pins;
        self.place.in_application = true;
        if self.config.secure_channel {
            self.state = State::SecureChannel;
        } else {
            self.read_object_directory();
        }
    }

    fn read_object_directory(&mut self) {
        let part = FilePart::whole(FilePath::object_directory());
        self.fetch(CardFile::ObjectDirectory, part);
    }

    fn next_directory(&mut self) -> Result<(), WalkError> {
        while let Some(objects) = self.directories.pop_front() {
            match objects {
                DataObjects::In(part) => {
                    self.fetch(CardFile::DataObjectDirectory, part);
                    return Ok(());
                }
                DataObjects::Here(bytes) => {
                    if let Some(entry) = self.find(&bytes)? {
                        return self.read_bootstrap_file(entry);
                    }
                }
            }
        }
        self.next_application();
        Ok(())
    }

    /// Reads the bootstrap file, after a PIN if the directory or the card says that it needs one (TS
    /// G.2.4).
    fn read_bootstrap_file(&mut self, entry: Entry) -> Result<(), WalkError> {
        let fetch = Fetch::new(CardFile::Bootstrap, entry.file.clone());
        let none_enabled = self.place.enabled.as_ref().is_some_and(Vec::is_empty);
        let needs_pin = (entry.private || entry.modifiable) && !none_enabled;
        self.entry = Some(entry);
        if needs_pin {
            return self.ask_for_pin(fetch, false);
        }
        self.perform(Task::Fetch(fetch));
        Ok(())
    }

    fn ask_for_pin(&mut self, task: Fetch, refused: bool) -> Result<(), WalkError> {
        let left = self.pins.checked_sub(1);
        self.pins = left.ok_or(WalkError::Pin(task.file()))?;
        self.state = State::Pin { task, refused };
        Ok(())
    }
}

/// Sending, and the end.
impl Walk {
    fn fetch(&mut self, file: CardFile, part: FilePart) {
        self.perform(Task::Fetch(Fetch::new(file, part)));
    }

    fn perform(&mut self, task: Task) {
        let channel = self.place.channel;
        let command = match &task {
            Task::OpenChannel => Command::open_channel(),
            Task::Select(application) => {
                Command::select(channel, SelectBy::Application, application.as_bytes())
            }
            Task::Fetch(fetch) => fetch.command(self.terms()),
            Task::CloseChannel(_) => Command::close_channel(channel),
        };
        self.send(task, Exchange::new(command));
    }

    fn send(&mut self, task: Task, exchange: Exchange) {
        let left = self.commands.checked_sub(1);
        match (left, &task) {
            // The channel is given back in any case.
            (None, Task::CloseChannel(_)) => {}
            (None, _) => {
                let limit = self.config.bounds.commands;
                self.end(Err(WalkError::TooManyCommands(limit)));
                return;
            }
            (Some(left), _) => self.commands = left,
        }
        self.state = State::Sending(task, exchange);
    }

    fn end(&mut self, outcome: Outcome) {
        if self.place.opened {
            self.perform(Task::CloseChannel(outcome));
        } else {
            self.state = State::Done(outcome);
        }
    }

    /// No application has the file, as far as they can be selected.
    fn end_without_file(&mut self) {
        let outcome = self.unselected.take().map_or(Ok(None), Err);
        self.end(outcome);
    }

    /// The state, for which [`State::Done`] stands in if it is to be replaced.
    fn take_state(&mut self) -> State {
        mem::replace(&mut self.state, State::Done(Ok(None)))
    }

    fn terms(&self) -> Terms {
        Terms {
            channel: self.place.channel,
            in_application: self.place.in_application,
            piece: self.config.piece.get(),
            directory: self.config.bounds.directory,
            records: self.config.bounds.records.min(MAX_RECORD),
        }
    }
}

/// The greatest number of a record (ISO/IEC 7816-4, 7.3.3).
const MAX_RECORD: u8 = 254;

impl Task {
    const fn file(&self) -> CardFile {
        match self {
            Self::OpenChannel | Self::CloseChannel(_) => CardFile::Channel,
            Self::Select(_) => CardFile::Application,
            Self::Fetch(fetch) => fetch.file(),
        }
    }
}

/// What the card says of an application, if it has selected it.
fn selected(data: &[u8], status: Status) -> Result<FileControl, WalkError> {
    let file = CardFile::Application;
    if !status.is_success() {
        return Err(WalkError::Status { file, status });
    }
    FileControl::read(data).map_err(at(file))
}

fn at(file: CardFile) -> impl Fn(DataError) -> WalkError {
    move |error| WalkError::Malformed { file, error }
}

impl fmt::Debug for Walk {
    /// Shows what is to be done next, and no content of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Walk").field(&self.step()).finish()
    }
}
