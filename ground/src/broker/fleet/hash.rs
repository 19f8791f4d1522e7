//! Passwords as mosquitto stores them: `$7$`, the rounds, the salt and PBKDF2-HMAC-SHA512 of the password, both in
//! base64.

use data_encoding::BASE64;
use pbkdf2::pbkdf2_hmac;
use pbkdf2::sha2::Sha512;

/// mosquitto's own default. More rounds would only slow down its one thread at each connection: our passwords are
/// random, and no guessing gets through 192 bits.
const ROUNDS: u32 = 101;
/// More than this in a stored hash is a mistake that would keep us busy for long.
const MOST_ROUNDS: u32 = 10_000_000;
const HASH_BYTES: usize = 64;
/// As mosquitto makes them.
pub(super) const SALT_BYTES: usize = 12;

/// The stored form of a password.
pub(super) fn hash(password: &str, salt: &[u8; SALT_BYTES]) -> String {
    let hash = derive(password, salt, ROUNDS);
    format!("$7${ROUNDS}${}${}", BASE64.encode(salt), BASE64.encode(&hash))
}

/// Whether a stored form is this password's; false for what is no stored form.
pub(super) fn is_of(stored: &str, password: &str) -> bool {
    matches(stored, password).unwrap_or(false)
}

fn matches(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.strip_prefix("$7$")?.split('$');
    let rounds: u32 = parts.next()?.parse().ok()?;
    let salt = BASE64.decode(parts.next()?.as_bytes()).ok()?;
    let hash = BASE64.decode(parts.next()?.as_bytes()).ok()?;
    let whole = parts.next().is_none() && (1..=MOST_ROUNDS).contains(&rounds);
    Some(whole && hash == derive(password, &salt, rounds))
}

fn derive(password: &str, salt: &[u8], rounds: u32) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, rounds, &mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by mosquitto_passwd 2.0.11.
    const STORED: &str = "$7$101$c1vT/KCaKDL+HgHp$3W7FTZjSXZ1Ajhy9xE88BYX4xAFNv69Gh5GNjiuB793GWq3sR7Eu0KfKeFpyR4tOIURD35H8yk7d1NozEQX8Og==";

    #[test]
    fn what_mosquitto_stored_is_recognised_and_made_alike() {
        assert!(is_of(STORED, "correct horse"));
        assert!(!is_of(STORED, "wrong horse"));
        let salt = BASE64.decode(STORED.split('$').nth(3).expect("a salt").as_bytes()).expect("base64");
        assert_eq!(hash("correct horse", &salt.try_into().expect("12 bytes")), STORED);
    }

    #[test]
    fn what_is_no_stored_password_is_nobodys() {
        for text in
            ["", "correct horse", "$6$101$AAAA$AAAA", "$7$0$AAAA$AAAA", "$7$x$AAAA$AAAA", "$7$101$AAAA"]
        {
            assert!(!is_of(text, "correct horse"), "{text}");
        }
    }
}
