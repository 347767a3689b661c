import Bytes
import Fabric
import Pretraining

/// What learnt tokens told of the student, added up.
struct DistillationFindings: Equatable {
  var count = 0
  var entropy = 0.0
  var crossEntropy = 0.0

  mutating func add(_ told: DivergenceLoss.Told) {
    guard told.isLearnt else { return }
    count += 1
    entropy += told.entropy
    crossEntropy -= Double(told.logprob)
  }

  private mutating func add(_ other: DistillationFindings) {
    count += other.count
    entropy += other.entropy
    crossEntropy += other.crossEntropy
  }

  /// Those of the leaves of all ranks, added in their order: the same on any number of ranks. Collective.
  static func total(_ own: [DistillationFindings], over communicator: any Communicator) throws -> DistillationFindings {
    var writer = ByteWriter()
    for sum in own {
      writer.write(Int64(sum.count))
      writer.write(sum.entropy.bitPattern)
      writer.write(sum.crossEntropy.bitPattern)
    }
    var total = DistillationFindings()
    for bytes in try communicator.allGather(writer.bytes) {
      var reader = ByteReader(bytes)
      do {
        while !reader.isAtEnd {
          var sum = DistillationFindings()
          sum.count = Int(try reader.read(Int64.self))
          sum.entropy = Double(bitPattern: try reader.read(UInt64.self))
          sum.crossEntropy = Double(bitPattern: try reader.read(UInt64.self))
          total.add(sum)
        }
      } catch { throw PretrainingError.ranksDisagree("what a step told") }
    }
    return total
  }
}

extension DistillationReport {
  mutating func note(_ findings: DistillationFindings) {
    let count = Double(max(1, findings.count))
    (entropy, crossEntropy) = (findings.entropy / count, findings.crossEntropy / count)
  }
}
