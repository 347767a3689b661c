/// A stretch of the input on its way to words: UTF-8, and whether its first byte is still the input's first.
///
/// The flag is what is left of the reference's alignment of normalised with original text; only the "first" scheme
/// of Metaspace asks for it.
struct NormalizedText {
  var bytes: [UInt8]
  var startsAtOrigin: Bool

  init(_ bytes: [UInt8], startsAtOrigin: Bool) {
    self.bytes = bytes
    self.startsAtOrigin = startsAtOrigin
  }
}
