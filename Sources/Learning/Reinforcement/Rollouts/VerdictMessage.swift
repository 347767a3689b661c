import Bytes
import DistributedTraining
import Evaluation
import Rewards

/// Verdicts on their way from rank 0 to all.
enum VerdictMessage {
  private static let outcomes = Outcome.allCases

  static func encode(_ verdicts: [RewardVerdict]) -> [UInt8] {
    var writer = ByteWriter()
    for verdict in verdicts {
      writer.write(verdict.reward)
      writer.write(UInt8(verdict.outcome.flatMap { Self.outcomes.firstIndex(of: $0) } ?? 255))
      writer.write(Int32(verdict.parts.count))
      for part in verdict.parts {
        writer.write(part.name)
        writer.write(part.value)
      }
    }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8], count: Int) throws -> [RewardVerdict] {
    do {
      var reader = ByteReader(bytes)
      var verdicts: [RewardVerdict] = []
      for _ in 0..<count {
        let reward = try reader.readDouble()
        let code = Int(try reader.read(UInt8.self))
        var verdict = RewardVerdict(
          reward: reward, outcome: outcomes.indices.contains(code) ? outcomes[code] : nil, parts: [])
        for _ in 0..<(try reader.readCount(width: 8)) {
          let name = try reader.readText()
          verdict.parts.append(.init(name: name, value: try reader.readDouble()))
        }
        verdicts.append(verdict)
      }
      guard reader.isAtEnd else { throw TruncatedMessage() }
      return verdicts
    } catch { throw DistributedTrainingError.ranksDisagree("what completions are worth") }
  }
}
