import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// What the model that ships can do, on problems that it has not seen and facts that it was or was not told
  /// (`deploy/recipe/tasks.py` made both): lower ends of 95 % intervals, so that another model of the recipe may take
  /// its place.
  struct DemoModelTests {
    private static let tasks = Golden.fixtures.appending(path: "demo-model/tasks").path

    private func results(_ arguments: [String], ranks: Int? = nil) throws -> [String: JSONValue] {
      let run = try Program.run(arguments + ["--json"], ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      return try run.output.split(separator: "\n").reduce(into: [:]) { results, line in
        let result = try JSONValue(parsing: Array(line.utf8))
        results[result["task"]?.string ?? ""] = result
      }
    }

    @Test(.timeLimit(.minutes(20))) func itAddsAndKnowsWhatItWasTaught() throws {
      let tasks = ["sums", "capitals-taught", "elements-taught"].map { "\(Self.tasks)/\($0)" }.joined(separator: ",")
      let results = try results(["eval", "--task", tasks], ranks: 2)
      for (task, count, least) in [("sums", 300, 0.9), ("capitals-taught", 66, 0.85), ("elements-taught", 63, 0.85)] {
        let result = try #require(results[task])
        #expect(result["n"]?.exactInt == count)
        #expect(result["interval"]?.array?.first?.double ?? 0 >= least, "\(result.text())")
      }
      // It thinks: an answer is many times as long as a sum's digits.
      let tokens = results["sums"]?["tokens"]?.exactInt ?? 0
      #expect(tokens > 300 * 20, "\(tokens)")
    }

    @Test(.timeLimit(.minutes(20))) func itSaysThatItDoesNotKnow() throws {
      let results = try results(["audit", "--claims", Self.tasks + "/withheld"])
      let result = try #require(results["claims-withheld"])
      #expect(result["n"]?.exactInt == 153)
      #expect(result["wrong"]?.exactInt ?? 153 <= 15, "\(result.text())")
    }

    @Test func itThinksWhereOneCanReadIt() throws {
      let run = try Program.run(["generate", "--chat", "--prompt", "What is 58+27+36+9?", "--max-new-tokens", "60"])
      #expect(run.output.hasPrefix("<think>58+27=85,85+36=121,121+9=130</think>130"), "\(run.output)\(run.errors)")
    }

    /// A server's clients get its thoughts apart from its answers, and none of the marks.
    @Test(.timeLimit(.minutes(20))) func overTheAPIWhatItThinksIsNotWhatItSays() throws {
      let server = try RunningServer([])
      for (question, thought, answer) in [
        ("What is 58+27+36+9?", "58+27=85,85+36=121,121+9=130", "130"),
        ("What is the capital of France?", nil, "Paris"),
      ] as [(String, String?, String)] {
        let reply = try server.post(
          "/v1/chat/completions",
          ["messages": [["role": "user", "content": .string(question)]], "max_tokens": 60, "temperature": 0])
        let message = reply.json["choices"]?.array?.first?["message"]
        #expect(
          message?["reasoning_content"]?.string == thought && message?["content"]?.string == answer, "\(reply.text)")
      }
    }
  }
}
