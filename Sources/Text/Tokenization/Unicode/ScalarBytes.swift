extension [UInt8] {
  /// Appends the UTF-8 of a scalar value; that of U+FFFD for a number that is none.
  mutating func append(scalar value: UInt32) {
    let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
    append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }
}
