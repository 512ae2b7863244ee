//! Closed lists of words: what a directory file, the API and a screen may say.
//! A word that is not on its list is refused by the reader, never guessed.

/// An enum whose every variant has one word for files and one for Chinese eyes.
pub trait Word: Copy + Sized + 'static {
    const ALL: &'static [Self];

    /// The word in files and in the API.
    fn word(self) -> &'static str;

    /// The word on a Chinese screen.
    fn zh(self) -> &'static str;

    fn from_word(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.word() == text)
    }
}

macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $word:literal, $zh:literal;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $crate::directory::word::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::directory::word::Word::word(*self))
            }
        }
    };
}

pub(crate) use words;
