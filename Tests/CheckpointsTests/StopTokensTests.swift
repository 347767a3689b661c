import Checkpoints
import TestSupport
import Testing

@Suite struct StopTokensTests {
  private let folder = TemporaryFolder()

  @Test(arguments: [
    (#"{"eos_token_id": 3}"#, [3, 7]), (#"{"eos_token_id": [4, 5]}"#, [4, 5, 7]), (#"{"eos_token_id": null}"#, [7]),
    (#"{"eos_token_id": -1}"#, [7]), (#"{"eos_token_id": [-1, 6]}"#, [6, 7]), ("{}", [7]),
  ])
  func allFilesCountAndMinusOneIsNone(generation: String, expected: [Int32]) throws {
    _ = folder.write(#"{"model_type": "x"}"#, as: "config.json")
    _ = folder.write(generation, as: "generation_config.json")
    _ = folder.write(shard(["a"]), as: "model.safetensors")
    let tokens = try StopTokens.read(try HuggingFaceFolder(path: folder.path), tokenizerEnd: 7)
    #expect(tokens.sorted() == expected)
  }
}
