//! Name and password for the mail server.

use std::fmt;

use data_encoding::BASE64;
use lettre::transport::smtp::authentication::Credentials;

/// A login. The password is read when it is needed and leaves only through [`Login::credentials`].
pub(super) struct Login {
    user: String,
    password: String,
}

impl Login {
    /// The password is what a file holds; the line breaks that editors put at its end are none of it.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.trim_end_matches(['\r', '\n']).to_owned() }
    }

    /// For the server, over an encrypted line.
    pub fn credentials(&self) -> Credentials {
        Credentials::new(self.user.clone(), self.password.clone())
    }

    /// The text without the password, in each form it has on the line.
    pub fn redact(&self, text: &str) -> String {
        if self.password.is_empty() {
            return text.to_owned();
        }
        let plain = BASE64.encode(format!("\0{}\0{}", self.user, self.password).as_bytes());
        let alone = BASE64.encode(self.password.as_bytes());
        [plain, alone, self.password.clone()]
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[password]"))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_shown_nor_repeated() {
        let login = Login::new("ops", "hunter2\r\n");
        assert!(!format!("{login:?}").contains("hunter2"));
        let echoed =
            format!("bad {} or {} or hunter2", BASE64.encode(b"\0ops\0hunter2"), BASE64.encode(b"hunter2"));
        assert_eq!(login.redact(&echoed), "bad [password] or [password] or [password]");
        assert_eq!(Login::new("ops", "").redact("as it is"), "as it is");
    }

    #[test]
    fn line_breaks_at_the_end_of_the_file_are_no_part_of_the_password() {
        assert_eq!(
            Login::new("ops", "hunter2\r\n").credentials(),
            Login::new("ops", "hunter2").credentials()
        );
    }
}
