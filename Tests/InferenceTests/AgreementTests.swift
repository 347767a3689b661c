import Checkpoints
import ExpertParallelism
import Fabric
import Foundation
import Inference
import JSON
import Kernels
import MoEModel
import TestSupport
import Testing

/// Ranks that were given other options or see other weights find out together, and say so once.
struct AgreementTests {
  private let folder = TemporaryFolder()

  /// A copy of a golden with one byte of `tensor` changed; with sums of the undamaged bytes where `isRecorded`.
  private func copy(_ name: String, damaging tensor: String? = nil, at place: Int = 0, isRecorded: Bool = false) throws
    -> String
  {
    let path = folder.file(UUID().uuidString)
    try FileManager.default.copyItem(atPath: Golden(name).folder, toPath: path)
    let checkpoint = try HuggingFaceFolder(path: path)
    if isRecorded {
      var record = RecordedSums()
      for entry in checkpoint.entries {
        record[entry.name] = try checkpoint.readAll(entry).withUnsafeBytes { TensorSum($0, at: 0).value }
      }
      try record.json.text().write(toFile: path + "/" + RecordedSums.fileName, atomically: false, encoding: .utf8)
    }
    guard let tensor else { return path }
    let entry = try #require(checkpoint.entries.first { $0.name.hasSuffix(tensor) })
    let handle = try FileHandle(forUpdating: URL(filePath: checkpoint.files[entry.fileIndex].path))
    let offset = UInt64(entry.byteOffset + place % entry.byteCount)
    try handle.seek(toOffset: offset)
    let byte = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: offset)
    try handle.write(contentsOf: [byte ^ 1])
    try handle.close()
    return path
  }

  /// Opens a session on a rank for each path, and returns what all of them say went wrong.
  private func failure(
    _ paths: [String], _ change: @escaping @Sendable (Int, inout SessionOptions) -> Void = { _, _ in }
  ) -> String? {
    do {
      _ = try LocalFabric.run(size: paths.count) { communicator in
        var options = SessionOptions()
        options.threadsPerRank = 2
        change(communicator.rank.index, &options)
        let session = try GenerationSession(
          model: paths[communicator.rank.index], options: options, communicator: communicator
        ) {
          _ in
        }
        if communicator.isRoot { try session.makeLoop().stop() } else { try session.follow() }
      }
      return nil
    } catch FabricError.peersFailed(let failures) {
      // One failure that all ranks have, or those of some.
      return failures.map { "\($0.ranks.map(\.index)) \($0.message)" }.joined(separator: "\n")
    } catch { return "not agreed on: \(error)" }
  }

  @Test func alikeRanksAgree() throws {
    let path = try copy("qwen3_moe", isRecorded: true)
    #expect(failure([path, path, try copy("qwen3_moe")]) == nil)
    #expect(failure([path, path]) { _, options in options.checksWeights = true } == nil)
  }

  @Test(arguments: [0, 1, 2])
  func aByteOfWhatAllReadIsFound(damaged: Int) throws {
    let good = try copy("deepseek_v3")
    let bad = try copy("deepseek_v3", damaging: "layers.1.self_attn.o_proj.weight", at: 1234)
    let message = try #require(failure((0..<3).map { $0 == damaged ? bad : good }))
    #expect(message.hasPrefix("[0, 1, 2] rank \(damaged) ("), "\(message)")
    #expect(message.contains("layers.1.self_attn.o_proj.weight") && message.contains("model-0000"), "\(message)")
  }

  /// Expert 1 lives on another rank than the damaged copy, expert 0 on that rank.
  @Test(arguments: ["experts.0.up_proj.weight", "experts.23.up_proj.weight"])
  func aByteOfAnExpertIsFoundByAFullPass(tensor: String) throws {
    let good = try copy("deepseek_v3")
    let bad = try copy("deepseek_v3", damaging: tensor, at: 777)
    let message = try #require(failure([good, bad, good]) { _, options in options.checksWeights = true })
    #expect(message.hasPrefix("[0, 1, 2] rank 1 (") && message.contains(tensor), "\(message)")
  }

  /// Whoever reads it, and the whole of a tensor that ranks read in parts.
  @Test(arguments: [
    ("deepseek_v3", "experts.0.up_proj.weight"), ("deepseek_v3", "experts.23.down_proj.weight"),
    ("deepseek_v3_fp8", "experts.3.up_proj.weight_scale_inv"), ("gpt_oss", "0.mlp.experts.gate_up_proj"),
    ("gpt_oss_mxfp4", "1.mlp.experts.down_proj_blocks"), ("gpt_oss_mxfp4", "1.mlp.experts.gate_up_proj_scales"),
    ("mixtral", "model.norm.weight"),
  ])
  func aByteThatDiffersFromTheRecordIsFound(model: String, tensor: String) throws {
    for ranks in [1, 2] {
      for place in [0, 4095, 100_001] {
        let bad = try copy(model, damaging: tensor, at: place, isRecorded: true)
        let message = try #require(failure(Array(repeating: bad, count: ranks)))
        #expect(message.contains(tensor) && message.contains("recorded"), "\(message)")
        let full = try #require(
          failure(Array(repeating: bad, count: ranks)) { _, options in options.checksWeights = true })
        #expect(full.contains(tensor) && full.contains("recorded"), "\(full)")
      }
    }
  }

  @Test func anotherConfigurationIsNamed() throws {
    let (good, bad) = (try copy("qwen3_moe"), try copy("qwen3_moe"))
    try "{}".write(toFile: bad + "/generation_config.json", atomically: false, encoding: .utf8)
    let message = try #require(failure([good, good, bad]))
    #expect(message.hasPrefix("[0, 1, 2] rank 2 (") && message.contains("another generation_config.json"), "\(message)")
  }

  static let options: [(words: [String], change: @Sendable (inout SessionOptions) -> Void)] = [
    (["--weights", "q8", "auto"], { $0.weights = .q8 }),
    (["--combine-format", "bf16", "f32"], { $0.sums = .bfloat16 }),
    (["--kv-cache", "bf16", "f32"], { $0.cacheType = .bf16 }), (["--kv-cache", "q8", "f32"], { $0.cacheType = .q8 }),
    (["--kv-cache-tokens", "64"], { $0.cacheTokens = 64 }),
    (["--max-batch-tokens", "7", "512"], { $0.batchTokens = 7 }),
    (["--max-sequences", "3", "256"], { $0.sequences = 3 }),
    (["--no-prefix-cache", "on", "off"], { $0.keepsPrefixes = false }),
    (["--check-weights", "on", "off"], { $0.checksWeights = true }),
  ]

  @Test(arguments: options.indices, [0, 1])
  func otherOptionsAreNamedBeforeAnythingIsRead(option: Int, rank: Int) throws {
    let path = try Golden("qwen3_moe").folder
    let (words, change) = Self.options[option]
    let message = try #require(failure([path, path]) { if $0 == rank { change(&$1) } })
    // Of two ranks nobody knows who is right: rank 0 is taken at its word.
    #expect(message.hasPrefix("[0, 1] rank 1 ("), "\(message)")
    for word in words { #expect(message.contains(word), "\(message)") }
  }

  @Test func whatMayDifferDoes() throws {
    let path = try Golden("qwen3_moe").folder
    #expect(
      failure([path, path]) { rank, options in
        options.threadsPerRank = 1 + rank
        options.instructionSet = rank == 0 ? .reference : .best
        options.checksMemory = rank == 0
        options.stallLimit = .seconds(600 + rank)
      } == nil)
  }
}
