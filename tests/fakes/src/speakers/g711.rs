//! G.711 as the device's own decoder has it: two tables, filled from the laws
//! (ITU-T G.711) when the program is compiled. It refuses to encode: a
//! loudspeaker only listens.

/// The linear sample of every code word, 16 bit.
pub(crate) static ALAW: [i16; 256] = alaw();
pub(crate) static ULAW: [i16; 256] = ulaw();

const fn alaw() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        // Every second bit travels inverted.
        let word = code ^ 0x55;
        let (segment, step) = ((word >> 4) & 7, word & 15);
        let size = match segment {
            0 => step * 16 + 8,
            _ => (step * 16 + 0x108) << (segment - 1),
        };
        samples[code] = if word & 0x80 == 0 { -(size as i16) } else { size as i16 };
        code += 1;
    }
    samples
}

const fn ulaw() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        // All bits travel inverted.
        let word = code ^ 0xff;
        let (segment, step) = ((word >> 4) & 7, word & 15);
        let size = ((step * 8 + 0x84) << segment) - 0x84;
        samples[code] = if word & 0x80 == 0 { size as i16 } else { -(size as i16) };
        code += 1;
    }
    samples
}
