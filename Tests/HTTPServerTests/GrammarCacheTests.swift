import EngineAPI
import HTTPConnection
import JSON
import ModelText
import StructuredOutput
import Testing

@testable import HTTPServer

/// A grammar is compiled once, however often and by whomever it is asked for.
@Suite struct GrammarCacheTests {
  private func cache(countLimit: Int = 64, byteLimit: Int = 256 << 20) -> GrammarCache {
    GrammarCache(codec: TestModel.plain.codec, endTokens: [1], countLimit: countLimit, byteLimit: byteLimit)
  }

  private func schema(_ i: Int) -> OutputGrammar {
    .json(["type": "object", "properties": [.init(stringLiteral: "n\(i)"): ["type": "integer"]]])
  }

  private func compiled(_ grammar: OutputGrammar, _ cache: GrammarCache) throws -> CompiledGrammar {
    try cache.compiled(grammar, text: grammar.json.text(), vocabularySize: 4096)
  }

  @Test func equalGrammarsAreCompiledOnceAndShared() throws {
    let cache = cache()
    let first = try compiled(schema(0), cache)
    #expect(try compiled(schema(0), cache) === first && cache.compilations == 1)
    #expect(try compiled(schema(1), cache) !== first && cache.compilations == 2)
    // Its tokens are others in a model with more rows.
    _ = try cache.compiled(schema(0), text: schema(0).json.text(), vocabularySize: 4098)
    #expect(cache.compilations == 3)
  }

  @Test func whoAsksMeanwhileWaits() async throws {
    let cache = cache()
    let found = try await withThrowingTaskGroup(of: CompiledGrammar.self) { tasks in
      for _ in 0..<8 { tasks.addTask { try await onThread { try compiled(schema(0), cache) } } }
      return try await tasks.reduce(into: []) { $0.append($1) }
    }
    #expect(found.count == 8 && found.allSatisfy { $0 === found[0] })
    #expect(cache.compilations == 1)
  }

  @Test func whatCannotBeCompiledIsToldEachTimeAndNotKept() throws {
    let cache = cache()
    let impossible = OutputGrammar.json(["type": "integer", "minimum": 3, "maximum": 2])
    for _ in 0..<2 { #expect(throws: StructuredOutputError.self) { try compiled(impossible, cache) } }
    #expect(cache.compilations == 2)
  }

  @Test(arguments: [(3, 256 << 20), (64, 1)]) func noMoreThanTheLimitsIsKept(countLimit: Int, byteLimit: Int) throws {
    let cache = cache(countLimit: countLimit, byteLimit: byteLimit)
    for i in 0..<10 { _ = try compiled(schema(i), cache) }
    let before = cache.compilations
    _ = try compiled(schema(9), cache)
    #expect(before == 10 && cache.compilations == 10)
    _ = try compiled(schema(0), cache)
    #expect(cache.compilations == 11)
  }

  /// Four endpoints' forms of one schema, several choices of each, and the engine in the same process.
  @Test func aServerAndItsEngineCompileASchemaOnce() async throws {
    let cache = cache()
    let engine = TestModel.plain.engine(answering: "{}", vocabulary: 4096)
    engine.onSubmit = { request in
      guard let grammar = request.grammar else { return }
      // As the engine of this process does.
      _ = try? cache.compiled(OutputGrammar(json: grammar), text: grammar.text(), vocabularySize: 4096)
    }
    let schema: JSONValue = ["type": "object", "properties": [:], "additionalProperties": false]
    let named: JSONValue = ["name": "s", "schema": schema]
    try await TestServer.run(engine, configure: { $0.grammars = cache }) { server in
      for _ in 0..<2 {
        for body: JSONValue in [["n": 3], ["n": 1]] {
          var object = try #require(body.object)
          object["response_format"] = ["type": "json_schema", "json_schema": named]
          #expect(try await server.chat(.object(object)).status == 200)
          #expect(try await server.complete(.object(object)).status == 200)
        }
        let flat: JSONValue = ["type": "json_schema", "name": "s", "schema": schema]
        #expect(try await server.post("/v1/responses", ["input": "a", "text": ["format": flat]]).status == 200)
      }
      #expect(engine.submitted.count == 18 && engine.submitted.allSatisfy { $0.grammar != nil })
      #expect(cache.compilations == 1)
    }
  }
}
