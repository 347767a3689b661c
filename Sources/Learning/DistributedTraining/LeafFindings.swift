import Bytes
import Fabric

/// What the learnt tokens of a leaf told of a step, added up: counts, and sums in 8 bytes each.
package protocol LeafFindings: BitwiseCopyable {
  init()
  mutating func add(_ other: Self)
}

extension LeafFindings {
  /// Those of the leaves of all ranks, added in their order: the same on any number of ranks. Collective.
  package static func total(_ own: [Self], over communicator: any Communicator) throws -> Self {
    var total = Self()
    for bytes in try communicator.allGather(own.withUnsafeBytes { Array($0) }) {
      var reader = ByteReader(bytes)
      do {
        while !reader.isAtEnd { try reader.readRaw(count: 1).forEach { total.add($0) } }
      } catch { throw DistributedTrainingError.ranksDisagree("what a step told") }
    }
    return total
  }
}
