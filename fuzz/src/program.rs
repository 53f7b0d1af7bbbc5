//! Input that is read as a program: what happens, step by step.

/// The longest program in bytes, and its most steps. Short programs find what long ones do, and
/// more of them run in the same time: most of a run's cost is counting what code it reached.
pub const LONGEST_PROGRAM: usize = 64;
const MOST_STEPS: u8 = 24;
/// The same for a target that has more to say.
pub const LONGEST_LONG_PROGRAM: usize = 192;
const MOST_LONG_STEPS: u8 = 64;

/// The rest of a program.
pub(crate) struct Program<'a> {
    bytes: &'a [u8],
    /// How many steps are left.
    steps: u8,
}

impl<'a> Program<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self {
            bytes: data.get(..LONGEST_PROGRAM).unwrap_or(data),
            steps: MOST_STEPS,
        }
    }

    pub(crate) fn long(data: &'a [u8]) -> Self {
        Self {
            bytes: data.get(..LONGEST_LONG_PROGRAM).unwrap_or(data),
            steps: MOST_LONG_STEPS,
        }
    }

    /// The next step, if there is one.
    pub(crate) fn step(&mut self) -> Option<u8> {
        self.steps = self.steps.checked_sub(1)?;
        self.next()
    }

    /// A parameter of the step; zero at the end of the program.
    pub(crate) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// This many bytes, if there are as many.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }
}
