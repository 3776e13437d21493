//! Turning attributes into domain types, all refusals at once.

use std::fmt::Display;

use keystead_domain::account::PasswordRefusal;

use super::pointers::Pointers;
use crate::http::{ApiError, Code, Problem};

/// Collects what the domain refuses. Ends with [`Check::finish`].
#[derive(Debug, Default)]
#[must_use = "a check that is not finished refuses nothing"]
pub struct Check {
    at: Pointers,
    problems: Vec<Problem>,
}

impl Check {
    /// A check of attributes that lie at `at`.
    pub fn new(at: Pointers) -> Self {
        Self { at, problems: Vec::new() }
    }

    /// The value of an attribute (by its wire name), or a problem whose detail is the domain's refusal.
    pub fn field<T, E: Display>(&mut self, name: &str, value: Result<T, E>, code: Code) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refuse(name, code, refusal.to_string());
                None
            }
        }
    }

    /// Like [`Check::field`], for an attribute that may be absent.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        value: Option<Result<T, E>>,
        code: Code,
    ) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(value) => self.field(name, value, code).map(Some),
        }
    }

    /// A value that is read by a function returning `Option`.
    pub fn parsed<T>(&mut self, name: &str, value: Option<T>, code: Code) -> Option<T> {
        if value.is_none() {
            self.problems.push(Problem::new(code).detail(code.meaning()).pointer(self.at.to(name)));
        }
        value
    }

    /// A new password, or a problem with the code of the refusal.
    pub fn password<T>(&mut self, name: &str, value: Result<T, PasswordRefusal>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.problems.push(password_problem(refusal, self.at, name));
                None
            }
        }
    }

    /// Notes a problem by hand.
    pub fn refuse(&mut self, name: &str, code: Code, detail: String) {
        self.problems.push(Problem::new(code).detail(detail).pointer(self.at.to(name)));
    }

    /// Every value, or every problem.
    pub fn finish<T: Gathered>(self, values: T) -> Result<T::Values, ApiError> {
        match (ApiError::many(self.problems), values.gather()) {
            (Some(error), _) => Err(error),
            (None, Some(values)) => Ok(values),
            (None, None) => Err(ApiError::internal("a value is missing without a problem noted")),
        }
    }
}

/// The problem of a refused new password.
pub fn password_problem(refusal: PasswordRefusal, at: Pointers, name: &str) -> Problem {
    let code = match refusal {
        PasswordRefusal::TooShort { .. } => Code::PASSWORD_TOO_SHORT,
        PasswordRefusal::TooLong => Code::PASSWORD_TOO_LONG,
        PasswordRefusal::Common => Code::PASSWORD_COMMON,
        PasswordRefusal::OwnWords => Code::PASSWORD_OWN_WORDS,
    };
    let problem = Problem::new(code).detail(refusal.to_string()).pointer(at.to(name));
    match refusal {
        PasswordRefusal::TooShort { min } => problem.meta("minLength", min),
        _ => problem,
    }
}

/// Checked values on their way out of a [`Check`]: nothing, one `Option`, or a tuple of them.
pub trait Gathered {
    /// What is left when every value is there.
    type Values;

    /// The values, when every one is there.
    fn gather(self) -> Option<Self::Values>;
}

impl<A> Gathered for Option<A> {
    type Values = A;

    fn gather(self) -> Self {
        self
    }
}

impl Gathered for () {
    type Values = ();

    fn gather(self) -> Option<()> {
        Some(())
    }
}

macro_rules! gathered {
    ($($letter:ident)*) => {
        impl<$($letter),*> Gathered for ($(Option<$letter>,)*) {
            type Values = ($($letter,)*);

            #[expect(non_snake_case, reason = "the type parameters name the elements")]
            fn gather(self) -> Option<Self::Values> {
                let ($($letter,)*) = self;
                Some(($($letter?,)*))
            }
        }
    };
}

gathered!(A B);
gathered!(A B C);
gathered!(A B C D);
gathered!(A B C D E);
gathered!(A B C D E F);
