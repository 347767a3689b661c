/// A visit as it travels in a dispatch message: the expert, who computes it, and where partial outputs begin.
///
/// Bits 0–19 are the expert's id, 20–29 the place of its rank among those of the host (in order of rank), 30 says that
/// with it a subtree begins whose outputs that rank adds up, 31 that one begins whose outputs come back to the sender
/// as one row.
struct VisitWord: BitwiseCopyable, Equatable {
  static let expertLimit = 1 << 20
  static let placeLimit = 1 << 10

  var bits: UInt32

  init(expert: Int32, place: Int32, beginsSubtree: Bool, beginsRow: Bool) {
    bits =
      UInt32(bitPattern: expert) | UInt32(bitPattern: place) << 20 | (beginsSubtree ? 1 << 30 : 0)
      | (beginsRow ? 1 << 31 : 0)
  }

  var expert: Int32 { Int32(bitPattern: bits & 0xF_FFFF) }
  var place: Int32 { Int32(bitPattern: bits >> 20 & 0x3FF) }
  var beginsSubtree: Bool { bits >> 30 & 1 == 1 }
  var beginsRow: Bool { bits >> 31 == 1 }
}
