import EngineAPI
import Foundation
import Inference
import JSON
import MoEModel
import TestSupport

@testable import Checkpoints

extension FuzzTarget {
  static let model = [safetensors, gguf, ggufFamilies, shardIndex, configuration, generationConfig, sums]

  private static func safetensors(_ header: String, dataByteCount: Int) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    return length + Array(header.utf8) + [UInt8](repeating: 7, count: dataByteCount)
  }

  private static func isInside(_ entry: TensorEntry, _ byteCount: Int) -> Bool {
    entry.byteOffset >= 8 && entry.byteCount >= 0 && entry.byteOffset + entry.byteCount <= byteCount
  }

  private static let safetensors = FuzzTarget(
    "safetensors", inputs: 6000,
    pieces: jsonPieces + [
      "\"dtype\":\"F32\"", "\"shape\":[", "\"data_offsets\":[0,", "\"__metadata__\":{", "\"F8_E4M3\"",
    ],
    seeds: {
      [
        safetensors(
          #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]}}"#,
          dataByteCount: 28), safetensors("{}", dataByteCount: 0),
      ]
    },
    read: { bytes in
      let path = TemporaryFolder.ofProcess.write(bytes, as: "m.safetensors")
      let file = try SafetensorsFile(path: path)
      for entry in file.entries {
        try hold(isInside(entry, bytes.count), "\(entry) lies outside")
        _ = try file.readAll(entry)
      }
    })

  private static let gguf = FuzzTarget(
    "gguf", inputs: 4000,
    pieces: [
      "GGUF", "llama.block_count", "blk.0.attn_q.weight", "\u{1}\0\0\0", "\0\0\0\0\0\0\0\u{7F}",
      "tokenizer.ggml.tokens",
    ],
    seeds: {
      var file = GGUFBytes.tinyLlama
      file["tokenizer.ggml.model"] = .string("gpt2")
      file["tokenizer.ggml.pre"] = .string("qwen2")
      file["tokenizer.ggml.tokens"] = .strings(["a", "b", "ab", "<|im_end|>"])
      file["tokenizer.ggml.token_type"] = .int32s([1, 1, 1, 3])
      file["tokenizer.ggml.merges"] = .strings(["a b"])
      file["tokenizer.ggml.eos_token_id"] = .uint32(2)
      var pieces = GGUFBytes.tinyLlama
      pieces["tokenizer.ggml.model"] = .string("llama")
      pieces["tokenizer.ggml.tokens"] = .strings(["<unk>", "a", "b", "ab"])
      pieces["tokenizer.ggml.token_type"] = .int32s([2, 1, 1, 1])
      pieces["tokenizer.ggml.scores"] = .float32s([0, -1, -2, -0.5])
      return [file.bytes, pieces.bytes]
    },
    read: readGGUF)

  /// Models of other architectures, whose data are of no interest: seeds are headers, and zeros follow.
  private static let ggufFamilies = FuzzTarget(
    "gguf-families", inputs: 600,
    pieces: [
      "attention.recurrent_layers", "ssm.group_count", "ssm_ba.weight", "exps.weight", "\u{1}\0\0\0",
      "\0\0\0\0\0\0\0\u{7F}",
    ],
    seeds: {
      let names = [
        "hy_v3", "ernie4_5_moe", "exaone_moe", "bailing_moe_v2", "dots1", "mistral4", "qwen3_next", "qwen3_5",
        "qwen3_5_moe",
      ]
      return try names.map { name in
        let file = try GGUFFile(path: Fixture.path("gguf/\(name).gguf"), limits: CheckpointLimits())
        let header = file.header.tensors.map(\.byteOffset).min() ?? 0
        return Array(try Fixture.bytes("gguf/\(name).gguf").prefix(header))
      } + [try Fixture.bytes("gguf/deepseek_v4.header")]
    },
    read: { bytes in try readGGUF(bytes + [UInt8](repeating: 0, count: 480 << 10)) })

  @Sendable private static func readGGUF(_ bytes: [UInt8]) throws {
    let path = TemporaryFolder.ofProcess.write(bytes, as: "m.gguf")
    let file = try CheckpointFormat.open(path)
    for entry in file.entries {
      try hold(isInside(entry, bytes.count), "\(entry) lies outside")
      _ = try file.readAll(entry)
    }
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      if let document = try file.document(name, limit: 1 << 24) { _ = try JSONValue(parsing: document) }
    }
    _ = try ModelConfiguration.read(file)
  }

  private static let shardIndex = FuzzTarget(
    "shard-index", inputs: 2000,
    pieces: jsonPieces + ["\"weight_map\":", "\"a.safetensors\"", "\"../a.safetensors\"", "/"],
    seeds: {
      let folder = TemporaryFolder.ofProcess
      folder.write("{}", as: "config.json")
      folder.write(
        safetensors(#"{"x":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, dataByteCount: 1), as: "a.safetensors")
      return [Array(#"{"metadata":{"total_size":1},"weight_map":{"x":"a.safetensors"}}"#.utf8)]
    },
    read: { bytes in
      TemporaryFolder.ofProcess.write(bytes, as: "model.safetensors.index.json")
      let names = Array(try HuggingFaceFolder(path: TemporaryFolder.ofProcess.path).names)
      try hold(names == ["x"], "tensors \(names)")
    })

  private static let families =
    [
      "deepseek_v3", "deepseek_v2_group", "glm4_moe", "glm_moe_dsa", "gpt_oss", "llama", "minimax_m2", "mixtral",
      "olmoe",
      "qwen2_moe", "qwen3_moe",
    ].map { "goldens/\($0)" }
    + FamilyFixtures.names.map { "families/\($0)" }

  private static let configuration = FuzzTarget(
    "config", inputs: 6000, pieces: jsonPieces + ["\"yarn\"", "\"rope_scaling\":{", "\"full_attention\"", "\"fp8\""],
    seeds: {
      let part = String(decoding: try Fixture.bytes("goldens/kimi_k2/config.json"), as: UTF8.self)
      return try families.map { try Fixture.bytes("\($0)/config.json") }
        + ["qwen3_next", "qwen3_5_moe"].map { try Fixture.bytes("delta/\($0)/config.json") }
        + ["int4_group32", "gptq", "awq", "nvfp4_modelopt"].map { try Fixture.bytes("packed/\($0)/config.json") }
        + [Array(#"{"model_type":"kimi_k25","vision_config":{},"text_config":\#(part)}"#.utf8)]
    },
    read: { bytes in
      let reader = try ConfigReader(try JSONValue(parsing: bytes), path: "config.json")
      let description = try ModelConfiguration.read(reader)
      try hold(description.hiddenSize > 0 && description.layers.count == description.layerCount, "\(description)")
    })

  private static let generationConfig = FuzzTarget(
    "generation-config", inputs: 6000,
    seeds: {
      [
        Array(
          #"{"do_sample":true,"temperature":0.6,"top_p":0.95,"top_k":20,"repetition_penalty":1.05,"eos_token_id":[1,2]}"#
            .utf8)
      ]
    },
    read: { bytes in
      let recommended = try SamplingSettings(
        recommendedBy: try ConfigReader(try JSONValue(parsing: bytes), path: "generation_config.json"))
      var parameters = SamplingParameters()
      recommended.apply(to: &parameters)
      try hold((try? parameters.validate()) != nil, "\(recommended) is out of range")
    })

  private static let sums = FuzzTarget(
    "sums", inputs: 8000,
    seeds: {
      [Array(#"{"format":"martinet sums","version":1,"tensors":{"a":"0123456789abcdef","b":"00000000000000ff"}}"#.utf8)]
    },
    read: { bytes in
      let sums = try RecordedSums(bytes, path: "model.sums.json", limits: CheckpointLimits())
      let again = try RecordedSums(Array(sums.json.text().utf8), path: "again", limits: CheckpointLimits())
      try hold(again == sums, "what was written is not what was read")
    })
}
