//! Datagrams of a picture. All numbers are big-endian.
//!
//! ```text
//! symbol: kind 81 · version · 0 · symbol bytes / 8 · stream u16 · seq u16 · block u32
//!         · symbol u16 · symbols u16 · bytes
//! report: kind 81 · version · 1 · 0 · stream u16 · newest seq u16 · received u32 · lost u32
//!         · blocks lost u16 · wants key u8
//! ```
//!
//! `symbols` is how many make up the block, 0 as long as that is not known. Only
//! a block's last own symbol may be short; the rest of it is zeros.

/// Kind of record, among all that cross the wire.
pub const KIND: u8 = 81;
pub const VERSION: u8 = 1;
/// As the link carries them.
pub const DATAGRAM_MAX: usize = 1_100;
pub const HEAD_BYTES: usize = 16;
pub const SYMBOL_BYTES_MAX: usize = 1_080;
const REPORT_BYTES: usize = 19;
/// Symbols of a block's own; more would make decoding slow.
pub(super) const SYMBOLS_MAX: u16 = 512;
/// The last symbol of all, own and for repair.
pub(super) const SYMBOL_LAST: u16 = 2_047;

/// One symbol of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    pub stream: u16,
    /// One more with every datagram of the stream.
    pub seq: u16,
    pub block: u32,
    /// Own symbols first, then those for repair.
    pub number: u16,
    /// `None`: the block is not complete yet.
    pub symbols: Option<u16>,
    /// A multiple of 8.
    pub symbol_bytes: usize,
    pub bytes: Vec<u8>,
}

/// What the receiving side tells the sending one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    pub stream: u16,
    pub newest: u16,
    /// Since the stream began.
    pub received: u32,
    pub lost: u32,
    pub blocks_lost: u16,
    /// Nothing can be shown before the next key frame.
    pub wants_key: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Symbol(Symbol),
    Report(Report),
}

/// Why a datagram is no piece of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("不是图像数据 / no picture: kind {0}")]
    Kind(u8),
    #[error("图像数据版本 {0} 不识别，请升级 / picture version {0} is not known; upgrade")]
    Version(u8),
    #[error("图像数据残缺 / a picture's datagram is cut short")]
    Short,
    #[error("图像数据有误 / a picture's datagram contradicts itself")]
    Wrong,
}

impl Symbol {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.bytes.len());
        let eighths = u8::try_from(self.symbol_bytes / 8).unwrap_or(u8::MAX);
        out.extend([KIND, VERSION, 0, eighths]);
        out.extend(self.stream.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.block.to_be_bytes());
        out.extend(self.number.to_be_bytes());
        out.extend(self.symbols.unwrap_or(0).to_be_bytes());
        out.extend(&self.bytes);
        out
    }
}

impl Report {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(REPORT_BYTES);
        out.extend([KIND, VERSION, 1, 0]);
        out.extend(self.stream.to_be_bytes());
        out.extend(self.newest.to_be_bytes());
        out.extend(self.received.to_be_bytes());
        out.extend(self.lost.to_be_bytes());
        out.extend(self.blocks_lost.to_be_bytes());
        out.push(u8::from(self.wants_key));
        out
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Broken> {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map(u16::from_be_bytes).ok_or(Broken::Short)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Broken> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(u32::from_be_bytes).ok_or(Broken::Short)
}

/// # Errors
/// When it is anything but a whole and sane piece.
pub fn read(datagram: &[u8]) -> Result<Piece, Broken> {
    match datagram {
        [KIND, VERSION, 0, eighths, ..] => symbol(datagram, usize::from(*eighths) * 8),
        [KIND, VERSION, 1, ..] => report(datagram),
        [KIND, VERSION, ..] => Err(Broken::Wrong),
        [KIND, version, ..] => Err(Broken::Version(*version)),
        [kind, ..] => Err(Broken::Kind(*kind)),
        [] => Err(Broken::Short),
    }
}

fn symbol(datagram: &[u8], symbol_bytes: usize) -> Result<Piece, Broken> {
    let bytes = datagram.get(HEAD_BYTES..).ok_or(Broken::Short)?;
    let (number, symbols) = (u16_at(datagram, 12)?, u16_at(datagram, 14)?);
    let symbols = (symbols != 0).then_some(symbols);
    let sane = (8..=SYMBOL_BYTES_MAX).contains(&symbol_bytes) && bytes.len() <= symbol_bytes;
    let counted = match symbols {
        Some(symbols) => symbols <= SYMBOLS_MAX && number <= SYMBOL_LAST,
        // Before a block is complete nothing repairs it.
        None => number < SYMBOLS_MAX,
    };
    // Short is only the last of the block's own.
    let last = symbols.is_some_and(|symbols| number + 1 == symbols);
    if !sane || !counted || bytes.is_empty() || (bytes.len() < symbol_bytes && !last) {
        return Err(Broken::Wrong);
    }
    Ok(Piece::Symbol(Symbol {
        stream: u16_at(datagram, 4)?,
        seq: u16_at(datagram, 6)?,
        block: u32_at(datagram, 8)?,
        number,
        symbols,
        symbol_bytes,
        bytes: bytes.to_vec(),
    }))
}

fn report(datagram: &[u8]) -> Result<Piece, Broken> {
    if datagram.len() != REPORT_BYTES {
        return Err(if datagram.len() < REPORT_BYTES { Broken::Short } else { Broken::Wrong });
    }
    Ok(Piece::Report(Report {
        stream: u16_at(datagram, 4)?,
        newest: u16_at(datagram, 6)?,
        received: u32_at(datagram, 8)?,
        lost: u32_at(datagram, 12)?,
        blocks_lost: u16_at(datagram, 16)?,
        wants_key: datagram.last() == Some(&1),
    }))
}
