//! The engine: takes packages in, and moves by the table of its face.

use alloc::string::String;

use super::{
    answer::Answer,
    face::{Ask, Face, Request, Step, Way},
    pull::{LONGEST_URI, MOST_RECEIVED, scheme},
    upload::Upload,
};
use crate::tree::Piece;

/// The state machine of an update, without time, transport or storage: that of
/// [`firmware`](crate::firmware), or that of a component of [`software`](crate::software).
///
/// A call that takes `ask` may ask the application something through it before it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine<F: Face> {
    face: F,
    phase: F::Phase,
    result: F::UpdateResult,
    package_uri: String,
    /// The bytes that a pull has received.
    received: u64,
    upload: Upload,
}

impl<F: Face> Machine<F> {
    pub(crate) const fn with(face: F) -> Self {
        let (phase, result) = F::START;
        Self {
            face,
            phase,
            result,
            package_uri: String::new(),
            received: 0,
            upload: Upload::None,
        }
    }

    /// Update Result.
    pub const fn result(&self) -> F::UpdateResult {
        self.result
    }

    /// Package URI: what was written last, if no push or reset came after it. That of software is
    /// gone after a failed download and an Uninstall, too.
    pub fn package_uri(&self) -> &str {
        &self.package_uri
    }

    /// The bytes that a pull has received so far.
    pub const fn received(&self) -> u64 {
        self.received
    }

    pub(crate) const fn face(&self) -> &F {
        &self.face
    }

    pub(crate) const fn phase(&self) -> F::Phase {
        self.phase
    }
}

/// The server's side: Package and Package URI.
impl<F: Face> Machine<F> {
    /// A Write of Package begins; [`block`](Self::block)s follow, then [`end`](Self::end). It
    /// replaces one that has not ended.
    pub const fn begin(&mut self) {
        self.upload = self.upload.begin();
    }

    /// The next bytes of Package. The first of them start the download; but one zero byte and no
    /// more resets firmware.
    pub fn block(&mut self, bytes: &[u8], ask: &mut Ask<'_, F>) -> Result<(), F::Refused> {
        match (self.upload, bytes) {
            (Upload::None, _) => return Err(F::not_now(self.phase)),
            (_, []) | (Upload::Dropped, _) => {}
            (Upload::Begun { zero: false, again }, [0]) if F::EMPTY_RESETS => {
                self.upload = Upload::Begun { zero: true, again };
            }
            (Upload::Begun { zero, again }, _) => {
                if let Err(refused) = self.start(push(again), Way::Push) {
                    self.upload = Upload::None;
                    return Err(refused);
                }
                self.upload = Upload::Running { offset: 0 };
                if zero {
                    self.hand_on(&[0], ask);
                }
                self.hand_on(bytes, ask);
            }
            (Upload::Running { .. }, _) => self.hand_on(bytes, ask),
        }
        Ok(())
    }

    /// Package has been written. An empty one resets firmware, and leaves software as it is, except
    /// that a push that it replaces is over.
    pub fn end(&mut self, ask: &mut Ask<'_, F>) -> Result<(), F::Refused> {
        match self.upload {
            Upload::None => return Err(F::not_now(self.phase)),
            Upload::Begun { .. } if F::EMPTY_RESETS => self.reset(ask),
            Upload::Begun { again: true, .. } => self.abort(ask),
            Upload::Begun { again: false, .. } | Upload::Dropped => self.upload = Upload::None,
            Upload::Running { .. } => self.arrive(ask),
        }
        Ok(())
    }

    /// The rest of Package won't arrive, as the transfer was abandoned.
    pub fn abort(&mut self, ask: &mut Ask<'_, F>) {
        if self.upload.is_pushing() {
            ask(Request::Discard.into());
            self.fail(F::CONNECTION_LOST);
        }
        self.upload = Upload::None;
    }

    /// One piece of a Write of Package.
    pub(crate) fn stream(
        &mut self,
        piece: Piece<'_>,
        ask: &mut Ask<'_, F>,
    ) -> Result<(), F::Refused> {
        match piece {
            Piece::Begin => self.begin(),
            Piece::Bytes(bytes) => return self.block(bytes, ask),
            Piece::End => return self.end(ask),
            Piece::Abort => self.abort(ask),
        }
        Ok(())
    }

    /// All of Package at once.
    pub fn write_package(
        &mut self,
        package: &[u8],
        ask: &mut Ask<'_, F>,
    ) -> Result<(), F::Refused> {
        self.may_write_package(package)?;
        if F::is_empty(package) && !F::EMPTY_RESETS {
            return Ok(());
        }
        self.begin();
        self.block(package, ask)?;
        self.end(ask)
    }

    /// A Write of Package URI. An empty one resets firmware, and leaves software as it is. A URI
    /// that can't be fetched doesn't make the Write fail; only Update Result reports it (TS E.6.1).
    /// That covers text that isn't a URI, a URI of more than 255 bytes, which is not kept, and
    /// for firmware a URI of an unsupported protocol.
    pub fn write_package_uri(&mut self, uri: &str, ask: &mut Ask<'_, F>) -> Result<(), F::Refused> {
        if uri.is_empty() {
            if F::EMPTY_RESETS {
                self.reset(ask);
            }
            return Ok(());
        }
        self.start(Step::Started, Way::Pull)?;
        if uri.len() > LONGEST_URI {
            self.fail(F::INVALID_URI);
            return Ok(());
        }
        self.package_uri = uri.into();
        match self.unfetchable() {
            Some(error) => self.fail(error),
            None => self.fetch(ask),
        }
        Ok(())
    }

    /// Whether [`write_package`](Self::write_package) would be accepted.
    pub fn may_write_package(&self, package: &[u8]) -> Result<(), F::Refused> {
        if F::is_empty(package) {
            return Ok(());
        }
        self.may_start(push(self.upload.is_pushing()), Way::Push)
    }

    /// Whether [`write_package_uri`](Self::write_package_uri) would be accepted.
    pub fn may_write_package_uri(&self, uri: &str) -> Result<(), F::Refused> {
        if uri.is_empty() {
            return Ok(());
        }
        self.may_start(Step::Started, Way::Pull)
    }
}

/// The application's side: reports about a download that it answered with `Later`.
impl<F: Face> Machine<F> {
    /// A pull has received and stored this many bytes. Only a snapshot shows it.
    pub fn progress(&mut self, received: u64) -> Result<(), F::Refused> {
        // A push has no URI.
        if self.phase != F::DOWNLOADING || self.package_uri.is_empty() {
            return Err(F::not_now(self.phase));
        }
        self.received = received.min(MOST_RECEIVED);
        Ok(())
    }

    /// The package did not arrive or, for firmware, it arrived and is not good.
    pub fn failed(&mut self, error: F::DownloadError) -> Result<(), F::Refused> {
        self.lose(Step::Failed(error))
    }
}

/// The building blocks of the faces' calls.
impl<F: Face> Machine<F> {
    /// Takes a step of the face's table. A step that is not in it is refused.
    pub(crate) fn step(&mut self, step: Step<F::DownloadError>) -> Result<(), F::Refused> {
        (self.phase, self.result) = self.next(step)?;
        Ok(())
    }

    /// Whether a step is in the face's table.
    pub(crate) fn may_step(&self, step: Step<F::DownloadError>) -> Result<(), F::Refused> {
        self.next(step).map(drop)
    }

    fn next(
        &self,
        step: Step<F::DownloadError>,
    ) -> Result<(F::Phase, F::UpdateResult), F::Refused> {
        let next = self.face.next(self.phase, self.result, step);
        next.ok_or_else(|| F::not_now(self.phase))
    }

    /// Takes a step after which nothing of the package is left.
    pub(crate) fn lose(&mut self, step: Step<F::DownloadError>) -> Result<(), F::Refused> {
        self.step(step)?;
        self.received = 0;
        self.upload = self.upload.fail();
        if !F::URI_IS_READABLE {
            self.package_uri.clear();
        }
        Ok(())
    }

    /// A pulled package is there; asks whether it is good.
    pub(crate) fn pulled(&mut self, ask: &mut Ask<'_, F>) -> Result<(), F::Refused> {
        self.expect_no_push()?;
        self.may_step(Step::Arrived)?;
        self.arrive(ask);
        Ok(())
    }

    /// The package is there, and is good.
    pub(crate) fn finish_download(&mut self) -> Result<(), F::Refused> {
        self.expect_no_push()?;
        self.step(Step::Verified)?;
        self.forget_upload();
        Ok(())
    }

    /// Asks whether the package is good.
    pub(crate) fn verify(&mut self, ask: &mut Ask<'_, F>) {
        match ask(Request::Verify.into()) {
            Answer::Done => self.go(Step::Verified),
            Answer::Later => {}
            Answer::Failed(error) => {
                let _ = self.lose(Step::VerificationFailed(error));
            }
        }
    }

    /// Asks for the installation.
    pub(crate) fn start_install(&mut self, ask: &mut Ask<'_, F>) -> Result<(), F::Refused> {
        self.step(Step::InstallStarted)?;
        match ask(Request::Install.into()) {
            Answer::Done => self.step(Step::Installed),
            Answer::Later => Ok(()),
            Answer::Failed(_) => self.step(Step::InstallFailed),
        }
    }

    /// Continues after a reboot. A pull is asked for again, if it still can be fetched. A push was
    /// lost with its connection.
    pub(crate) fn resume(
        &mut self,
        (phase, result): (F::Phase, F::UpdateResult),
        (package_uri, received): (String, u64),
        ask: &mut Ask<'_, F>,
    ) {
        self.phase = phase;
        self.result = result;
        self.package_uri = package_uri;
        self.received = received;
        self.upload = Upload::None;
        if phase != F::DOWNLOADING {
            return;
        }
        let error = match &*self.package_uri {
            "" => Some(F::CONNECTION_LOST),
            _ => self.unfetchable(),
        };
        if let Some(error) = error {
            ask(Request::Discard.into());
            self.fail(error);
        } else {
            self.fetch(ask);
        }
    }
}

/// The steps of a download.
impl<F: Face> Machine<F> {
    /// Takes a step that is known to be in the table here.
    fn go(&mut self, step: Step<F::DownloadError>) {
        let _ = self.step(step);
    }

    /// The package that is being transferred won't arrive.
    fn fail(&mut self, error: F::DownloadError) {
        let _ = self.lose(Step::Failed(error));
    }

    /// Whether a package may start to arrive now.
    fn may_start(&self, step: Step<F::DownloadError>, way: Way) -> Result<(), F::Refused> {
        if self.face.takes(way) {
            self.may_step(step)
        } else {
            Err(F::not_now(self.phase))
        }
    }

    /// A package starts to arrive.
    fn start(&mut self, step: Step<F::DownloadError>, way: Way) -> Result<(), F::Refused> {
        self.may_start(step, way)?;
        self.step(step)?;
        self.package_uri.clear();
        self.received = 0;
        Ok(())
    }

    /// Hands bytes of a push to the application, unless it has refused earlier ones.
    fn hand_on(&mut self, bytes: &[u8], ask: &mut Ask<'_, F>) {
        let Upload::Running { offset } = self.upload else {
            return;
        };
        match ask(Request::Block { offset, bytes }.into()) {
            Answer::Done | Answer::Later => self.upload = self.upload.advance(bytes.len()),
            Answer::Failed(error) => self.fail(error),
        }
    }

    fn fetch(&mut self, ask: &mut Ask<'_, F>) {
        self.forget_upload();
        let (uri, offset) = (&*self.package_uri, self.received);
        match ask(Request::Fetch { uri, offset }.into()) {
            Answer::Done if F::VERIFIES_PULLS => self.arrive(ask),
            Answer::Done => self.go(Step::Verified),
            Answer::Later => {}
            Answer::Failed(error) => self.fail(error),
        }
    }

    /// All of the package is there; asks whether it is good.
    fn arrive(&mut self, ask: &mut Ask<'_, F>) {
        self.upload = Upload::None;
        self.go(Step::Arrived);
        self.verify(ask);
    }

    /// Starts again, from any phase.
    pub(crate) fn reset(&mut self, ask: &mut Ask<'_, F>) {
        if self.phase != F::START.0 {
            ask(Request::Discard.into());
        }
        self.go(Step::Reset);
        self.package_uri.clear();
        self.received = 0;
        self.upload = Upload::None;
    }

    /// Why Package URI cannot be fetched, if so.
    fn unfetchable(&self) -> Option<F::DownloadError> {
        match scheme(&self.package_uri) {
            Some(scheme) => self.face.unsupported(scheme),
            None => Some(F::INVALID_URI),
        }
    }

    fn expect_no_push(&self) -> Result<(), F::Refused> {
        if self.upload.is_pushing() {
            return Err(F::not_now(self.phase));
        }
        Ok(())
    }

    /// Forgets a Write of Package that has only begun, so that its end does not reset what has
    /// arrived since.
    fn forget_upload(&mut self) {
        if F::EMPTY_RESETS {
            self.upload = Upload::None;
        }
    }
}

/// The start of a push.
const fn push<E>(again: bool) -> Step<E> {
    if again {
        Step::StartedAgain
    } else {
        Step::Started
    }
}
