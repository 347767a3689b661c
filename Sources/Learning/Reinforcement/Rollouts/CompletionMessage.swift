import Bytes
import DistributedTraining

/// Completions on their way from rank 0 to all.
enum CompletionMessage {
  static func encode(_ completions: [Completion]) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Int32(completions.count))
    for completion in completions {
      writer.write(completion.tokens)
      for logprob in completion.logprobs { writer.write(logprob) }
      writer.write(UInt8(completion.isCut ? 1 : 0))
    }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8], count: Int) throws -> [Completion] {
    do {
      var reader = ByteReader(bytes)
      guard Int(try reader.read(Int32.self)) == count else { throw TruncatedMessage() }
      var completions: [Completion] = []
      for _ in 0..<count {
        var completion = Completion()
        completion.tokens = try reader.readInts()
        for _ in completion.tokens { completion.logprobs.append(try reader.readFloat()) }
        completion.isCut = try reader.read(UInt8.self) == 1
        completions.append(completion)
      }
      guard reader.isAtEnd else { throw TruncatedMessage() }
      return completions
    } catch { throw DistributedTrainingError.ranksDisagree("the completions that were sampled") }
  }
}
