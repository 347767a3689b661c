import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  struct TokenizeTests {
    private let folder = TemporaryFolder()

    /// Byte-level BPE, byte-fallback BPE, and a long chat template.
    @Test(arguments: ["deepseek_v3", "mixtral", "gpt_oss"])
    func tokenizesDecodesAndLaysOutLikeTheReference(name: String) throws {
      let golden = try Golden(name)
      let cases = golden.document["tokenizer_cases"]!.array!
      func tokenize(_ arguments: [String]) throws -> [JSONValue] {
        let run = try Program.run(["tokenize", "--model", golden.folder, "--json"] + arguments)
        #expect(run.status == 0, "\(run.errors)")
        return try jsonLines(run)
      }
      let texts = folder.write(
        cases.map { JSONValue.object(JSONObject([("text", $0["text"]!)])).text() + "\n" }.joined(), as: "texts")
      let encoded = try tokenize(["--jsonl", texts])
      #expect(encoded.map { ints($0["ids"]) } == cases.map { ints($0["ids"]) })
      #expect(encoded.map { ints($0["ids_with_special"]) } == cases.map { ints($0["ids_with_special"]) })
      let ids = folder.write(cases.map { "{\"ids\":[\(list(ints($0["ids"])))]}\n" }.joined(), as: "ids")
      let decoded = try tokenize(["--decode", "--jsonl", ids])
      #expect(decoded.map { $0["text"]?.string } == cases.map { $0["decoded"]?.string })
      for chat in golden.document["chat"]!.array! {
        let messages = folder.write(chat["messages"]!.text(), as: "messages.json")
        let flag = chat["add_generation_prompt"]?.bool == true ? ["--add-generation-prompt"] : []
        let rendered = try tokenize(["--messages", messages] + flag)[0]
        #expect(rendered["text"]?.string == chat["text"]?.string)
        #expect(ints(rendered["ids"]) == ints(chat["ids"]))
      }
    }

    @Test func plainOutputGoesBothWays() throws {
      let model = try Golden("deepseek_v3").folder
      let text = "-Hello  日本語 😀"
      let ids = try Program.run(["tokenize", "--model", model, "--text", text]).output
        .trimmingCharacters(in: .newlines)
      let back = try Program.run(["tokenize", "--model", model, "--decode", "--ids", ids])
      #expect(back.status == 0 && back.output == text + "\n")
    }
  }
}
