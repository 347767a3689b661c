import ArgumentParser
import Machine
import MoEModel
import Training

/// Which text is learnt, and how it becomes sequences.
struct TextOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Text, JSONL with \"text\" or \"token_ids\", or shards of tokens (.npy, .safetensors); a weight after each \
      makes a mixture.
      """,
      valueName: "file[=weight],…"))
  var data: String

  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens that a sequence predicts.", valueName: "tokens"))
  var sequenceLength = 512

  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences of a step, over all ranks.", valueName: "n"))
  var batchSequences = 32

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps in which the batch grows from a quarter to --batch-sequences.", valueName: "steps"))
  var batchRamp = 0

  @Option(
    help: ArgumentHelp(
      """
      How documents become sequences: packed, one after another, seen by those after it; whole, as many as fit, \
      each seen by itself only; or cut, one in each. (default: packed; sft and distill: whole)
      """,
      valueName: "packed|whole|cut"))
  var packing: Packing?

  @Option(help: ArgumentHelp("Data that are scored and not learnt.", valueName: "file,…"))
  var heldOut: String?

  func batch() throws -> BatchRamp {
    batchRamp > 0
      ? try BatchRamp(first: max(1, batchSequences / 4), last: batchSequences, steps: batchRamp)
      : try BatchRamp(constant: batchSequences)
  }

  /// Throws for sequences that the model cannot take.
  func checkLength(_ description: DecoderDescription) throws(DataError) {
    let limit = TrainingData.lengthLimit(description.maximumPositions)
    guard (1...limit).contains(sequenceLength) else { throw .badLength(sequenceLength, limit: limit) }
  }

  /// Throws for lists of data that cannot be, and files that are not there; reads none.
  func checkFiles() throws {
    for list in [data, heldOut].compactMap({ $0 }) { try DataFile.list(list).forEach { try $0.checkThere() } }
  }

  func open(
    _ files: String, _ description: DecoderDescription, _ start: TrainingStart, _ kind: TrainingKind, seed: UInt64,
    pool: WorkerPool
  ) throws -> TrainingData {
    var options = TrainingData.Options(
      sequenceLength: sequenceLength, seed: seed, vocabularySize: description.vocabularySize,
      maximumPositions: description.maximumPositions)
    (options.packing, options.tokenizer) = (packing ?? kind.packing, start.text?.optionalTokenizer)
    if kind != .pretrain { options.conversations = start.text.map { ConversationEncoder($0) } }
    return try TrainingData(try DataFile.list(files), options, pool: pool)
  }
}

extension Packing: ExpressibleByArgument {}
