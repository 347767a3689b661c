import Checkpoints

/// Columns of value heads that lie by the number of each within its key head's group: first the first of all groups,
/// then the second, and so on. Published are all heads of a group one after another.
struct ColumnTiles: Sendable, Equatable {
  /// The tensor that has them so.
  let name: String
  let keyHeads: Int
  let each: Int
  /// Columns of a head.
  let width: Int

  /// Nil where the checkpoint has the tensor `published` itself, or none with tiles.
  init?(_ delta: GatedDelta, of published: String, in checkpoint: any Checkpoint) {
    guard let module = DottedName(published).before("weight"), !checkpoint.holds(published) else { return nil }
    name = "\(module)_tiled.weight"
    guard checkpoint.holds(name) else { return nil }
    (keyHeads, each, width) = (delta.keyHeadCount, delta.valuesPerKey, delta.valueDims)
  }

  /// Puts a row's columns in the published order.
  func order(_ stored: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for key in 0..<keyHeads {
      for number in 0..<each {
        (out + (key * each + number) * width).update(from: stored + (number * keyHeads + key) * width, count: width)
      }
    }
  }
}
