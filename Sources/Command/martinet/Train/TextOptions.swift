import ArgumentParser
import Machine
import ModelText
import MoEModel
import Training

/// Which text is learnt.
struct TextOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Text, JSONL with \"text\" or \"token_ids\", or shards of tokens (.npy, .safetensors); a weight after each \
      makes a mixture.
      """,
      valueName: "file[=weight],…"))
  var data: String

  @OptionGroup var sequences: SequenceOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps in which the batch grows from a quarter to --batch-sequences.", valueName: "steps"))
  var batchRamp = 0

  func batch() throws -> BatchRamp {
    let count = sequences.batchSequences
    return batchRamp > 0
      ? try BatchRamp(first: max(1, count / 4), last: count, steps: batchRamp) : try BatchRamp(constant: count)
  }

  /// Throws for sequences that the model cannot take.
  func checkLength(_ description: DecoderDescription) throws(DataError) {
    let limit = TrainingData.lengthLimit(description.maximumPositions)
    guard (1...limit).contains(sequences.sequenceLength) else {
      throw .badLength(sequences.sequenceLength, limit: limit)
    }
  }

  /// Throws for lists of data that cannot be, and files that are not there; reads none.
  func checkFiles() throws {
    for list in [data, sequences.heldOut].compactMap({ $0 }) { try DataFile.list(list).forEach { try $0.checkThere() } }
  }

  func open(
    _ files: String, _ description: DecoderDescription, _ start: TrainingStart, _ kind: TrainingKind, seed: UInt64,
    pool: WorkerPool
  ) throws -> TrainingData {
    var options = TrainingData.Options(
      sequenceLength: sequences.sequenceLength, seed: seed, vocabularySize: description.vocabularySize,
      maximumPositions: description.maximumPositions)
    (options.packing, options.tokenizer) = (sequences.packing ?? kind.packing, start.text?.optionalTokenizer)
    if kind != .pretrain { options.conversations = start.text.map { ConversationEncoder($0) } }
    return try TrainingData(try DataFile.list(files), options, pool: pool)
  }
}
