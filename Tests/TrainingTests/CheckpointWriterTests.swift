import Checkpoints
import Foundation
import JSON
import MoEModel
import Tensors
import TestSupport
import Testing

@testable import Training

/// What a training saves.
@Suite struct CheckpointWriterTests {
  private let folder = TemporaryFolder()

  /// The bytes of a parameter in an exported model, from the definition of its place.
  private func exported(_ spec: ParameterSpec, _ description: DecoderDescription, _ model: any Checkpoint) throws
    -> [Float]
  {
    let place = description.names.place(of: spec, expertCount: description.moe?.expertCount ?? 0)
    let entry = try #require(model.tensor(place.name))
    let all = try model.float32s(entry)
    let columns = spec.isMatrix ? spec.columns : 1
    return (0..<spec.elementCount).map { i in
      let (row, column) = (place.first + place.step * (i / columns), i % columns)
      let block = place.index * place.rows * columns
      return all[block + (place.isTurned ? column * place.rows + row : row * columns + column)]
    }
  }

  @Test(arguments: TrainingFixtures.goldens)
  func everyFamilyIsExportedByItsPublishedNames(name: String) throws {
    let training = try SavedTraining(name, in: folder.file("run"), optimizer: .muon)
    try training.save(17)
    let path = TrainingFolder.modelPath(of: 17, in: training.folder)
    #expect(path.hasSuffix("/step-000017"))
    let model = try CheckpointFormat.open(path)
    let description = try ModelConfiguration.read(model)
    #expect(description.unreadTensors.isEmpty)
    let numbers = SavedTraining.Numbers(step: 17)
    for spec in ParameterTable(description) {
      let values = try numbers.values(spec, .master)
      let rounded = spec.role == .selectionBias ? values : values.map { BFloat16.value(BFloat16.bits($0)) }
      #expect(try exported(spec, description, model) == rounded, "\(spec.id)")
    }
    // As many tensors as the original has, but for what it has beside the model.
    let original = try TrainingFixtures.model(name)
    let plan = try CheckpointPlan(original.description, type: .bfloat16)
    #expect(Set(model.names) == Set(plan.tensors.map(\.entry.name)))
    #expect(model.config["torch_dtype"]?.string ?? model.config["dtype"]?.string == "bfloat16")
    let sums = try #require(try RecordedSums(of: model))
    #expect(sums.count == model.entries.count)
    for file in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      #expect(
        FileManager.default.contents(atPath: "\(path)/\(file)")
          == FileManager.default.contents(atPath: "\(TrainingFixtures.golden(name))/\(file)"))
    }
  }

  @Test(arguments: OptimizerKind.allCases) func whatIsSavedIsWhole(optimizer: OptimizerKind) throws {
    for name in ["deepseek_v3", "gpt_oss"] {
      let training = try SavedTraining(name, in: folder.file(name), optimizer: optimizer)
      try training.save(17)
      #expect(training.isWhole(17))
    }
  }

  @Test func predictionModulesShareWhatTheModelHas() throws {
    let training = try SavedTraining("glm4_moe_lite", in: folder.file("run"), predicts: true)
    try training.save(1)
    let model = try CheckpointFormat.open(TrainingFolder.modelPath(of: 1, in: training.folder))
    let last = training.description.layerCount
    for (module, shared) in [
      ("model.layers.\(last).embed_tokens.weight", "model.embed_tokens.weight"),
      ("model.layers.\(last).shared_head.head.weight", "lm_head.weight"),
    ] {
      #expect(try model.readAll(#require(model.tensor(module))) == model.readAll(#require(model.tensor(shared))))
    }
    #expect(model.config["num_nextn_predict_layers"]?.exactInt == 1)
    let state = try training.open(1)
    #expect(!training.plan.state.contains { $0.name.contains("shared_head.head") })
    try state.verify()
    let without = try SavedTraining("glm4_moe_lite", in: folder.file("other"))
    try without.save(1)
    let plain = try CheckpointFormat.open(TrainingFolder.modelPath(of: 1, in: without.folder))
    #expect(plain.config["num_nextn_predict_layers"]?.exactInt == 0)
  }

  @Test func largeModelsAreWrittenInShards() throws {
    let training = try SavedTraining("deepseek_v3", in: folder.file("run"), optimizer: .muon)
    var writer = try training.writer()
    writer.shardByteCount = 20_000
    try writer.save(training.record(3), from: SavedTraining.Numbers(step: 3))
    #expect(training.isWhole(3))
    let names = try FileManager.default.contentsOfDirectory(
      atPath: TrainingFolder.modelPath(of: 3, in: training.folder))
    #expect(names.contains("model.safetensors.index.json") && names.count { $0.hasSuffix(".safetensors") } > 3)
    #expect(try training.open(3).record.shards.count > 3)
  }

  @Test func theRecordComesBackAsItWas() throws {
    let training = try SavedTraining("llama", in: folder.file("run"))
    try training.save(7)
    let record = try training.open(7).record
    #expect(record.step == 7 && record.seed == .max && record.position == 224 && record.tokenCount == 57344)
    #expect(record.dataFingerprint == [1, 2, 255] && record.optimizer == .adamW)
    #expect(record.recipe == training.record(7).recipe && record.config == training.config)
  }

  @Test func aStateIsReadInAnyPieces() throws {
    let training = try SavedTraining("deepseek_v3", in: folder.file("run"), optimizer: .muon)
    try training.save(5)
    let state = try training.open(5)
    for parameter in training.plan.parameters {
      for part in parameter.rule.parts {
        let expected = try SavedTraining.Numbers(step: 5).values(parameter.spec, part)
        for rankCount in [1, 3, 8] {
          var values: [Float] = []
          for rank in 0..<rankCount {
            let slice = (rank * expected.count / rankCount)..<((rank + 1) * expected.count / rankCount)
            var piece = [Float](repeating: 0, count: slice.count)
            try piece.withUnsafeMutableBufferPointer {
              try state.read(part, of: parameter.spec.id, from: slice.lowerBound, into: $0)
            }
            values += piece
          }
          #expect(values == expected, "\(parameter.name).\(part)")
        }
      }
    }
    for count in [1, 2, 7] { for number in 0..<count { try state.verify(share: number, of: count) } }
  }

  /// Ranks that hold parts of the numbers walk the same requests as the rank that writes.
  @Test func theWriterAsksForWhatThePlanSays() throws {
    final class Recorder: ParameterSource {
      var requests: [SavePlan.Request] = []
      func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) {
        requests.append(request)
        buffer.update(repeating: 0)
      }
    }
    let training = try SavedTraining("gpt_oss", in: folder.file("run"), optimizer: .muon)
    let recorder = Recorder()
    try training.writer().save(training.record(1), from: recorder)
    #expect(recorder.requests == Array(training.plan.requests))
  }
}
