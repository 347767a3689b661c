import EngineAPI
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

@Suite struct RouteTests {
  let model = TestModel.plain

  @Test func theModelsServedAreListedAndFoundByName() async throws {
    try await TestServer.run(model.engine(answering: "x")) { server in
      let list = try await server.get("/v1/models")
      #expect(list.status == 200)
      #expect(list.json["data"]?.array?.map { $0["id"] } == ["demo", "other"])
      #expect(list.json["data"]?.array?[0]["max_model_len"]?.exactInt == 512)
      #expect(try await server.get("/v1/models/other").json["id"] == "other")
      #expect(try await server.get("/v1/models/dem%6F").json["id"] == "demo")
      #expect(try await server.get("/v1/models/nobody").errorCode == "model_not_found")
    }
  }

  @Test func unknownPathsAndWrongMethodsAreRefusedInJSON() async throws {
    try await TestServer.run(model.engine(answering: "x")) { server in
      let missing = try await server.get("/v2/nothing")
      #expect(missing.status == 404 && missing.errorCode == "unsupported_endpoint")
      let files = try await server.post("/v1/files", ["input": "x"])
      #expect(files.status == 404 && files.errorMessage.contains("/v1/files is not offered"))
      let wrong = try await server.get("/v1/chat/completions")
      #expect(wrong.status == 405 && wrong.headers["allow"] == "POST, OPTIONS")
      let deleted = try await server.request("DELETE", "/health")
      #expect(deleted.status == 405)
    }
  }

  @Test func thePageIsServedAtTheRoot() async throws {
    try await TestServer.run(model.engine(answering: "x")) { server in
      let page = try await server.get("/")
      #expect(page.status == 200 && page.text == ChatPage.html)
      #expect(page.headers["content-security-policy"] == ChatPage.contentSecurityPolicy)
      #expect(page.headers["content-type"] == "text/html; charset=utf-8")
    }
  }

  @Test func headSendsNoBodyAndOptionsTellsTheMethods() async throws {
    try await TestServer.run(model.engine(answering: "x"), configure: { $0.allowedOrigins = ["https://page.example"] })
    {
      server in
      let head = try await server.request("HEAD", "/health")
      #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] != "0")
      let options = try await server.request("OPTIONS", "/v1/completions", headers: ["Origin: https://page.example"])
      #expect(options.status == 204 && options.headers["access-control-allow-methods"] == "POST, OPTIONS")
      #expect(options.headers["access-control-allow-origin"] == "https://page.example")
    }
  }

  @Test func healthAndReadinessFollowTheEngine() async throws {
    let engine = model.engine(answering: "x")
    try await TestServer.run(engine) { server in
      func check(_ state: EngineState, health: Int, ready: Int) async throws -> (JSONValue, JSONValue) {
        engine.state = state
        let (alive, able) = (try await server.get("/health"), try await server.get("/ready"))
        #expect(alive.status == health && able.status == ready, "\(state)")
        return (alive.json, able.json)
      }
      _ = try await check(.ready, health: 200, ready: 200)
      let (_, loading) = try await check(.loading(bytes: 3, of: 10), health: 200, ready: 503)
      #expect(loading["bytes"] == 3 && loading["of"] == 10 && loading["state"] == "loading")
      #expect(loading["reason"] == nil)
      engine.startTrouble = "rank 1 of 2 has not come up in 9 s"
      let (_, stuck) = try await check(.loading(bytes: 0, of: 0), health: 200, ready: 503)
      #expect(stuck["reason"] == "rank 1 of 2 has not come up in 9 s")
      let (_, again) = try await check(.restarting(reason: "rank 1 died", attempt: 2), health: 200, ready: 503)
      #expect(again["reason"] == "rank 1 died" && again["start"] == "rank 1 of 2 has not come up in 9 s")
      engine.startTrouble = nil
      let (restarting, _) = try await check(.restarting(reason: "rank 1 died", attempt: 2), health: 200, ready: 503)
      #expect(restarting["reason"] == "rank 1 died")
      let (failed, _) = try await check(.failed(reason: "it died 5 times"), health: 503, ready: 503)
      #expect(failed["reason"] == "it died 5 times")
    }
  }

  @Test func ranksThatAreHeldUpShowInReadinessHealthAndMetrics() async throws {
    let engine = model.engine(answering: "x")
    try await TestServer.run(engine) { server in
      engine.stall = EngineStall(
        rank: 0, host: "n0", place: "layer 3, dispatch", waitingFor: [2], since: .now - .seconds(100))
      let (alive, able) = (try await server.get("/health"), try await server.get("/ready"))
      #expect(alive.status == 200 && able.status == 503 && able.headers["retry-after"] == "5")
      for json in [alive.json, able.json] {
        #expect(
          json["state"] == "stalled" && json["reason"]?.string?.contains("waited for rank 2 for 1") == true, "\(json)")
        #expect(json["stall"]?["waiting_for"] == [2] && json["stall"]?["place"] == "layer 3, dispatch")
      }
      let metrics = try await server.get("/metrics").text
      #expect(metrics.contains("martinet_stall_seconds 1"))
      #expect(metrics.contains(#"martinet_engine_state{state="ready"} 0"#))
      #expect(metrics.contains(#"martinet_engine_state{state="stalled"} 1"#))
      engine.stall = nil
      #expect(try await server.get("/ready").status == 200)
      #expect(try await server.get("/metrics").text.contains("martinet_stall_seconds 0"))
    }
  }

  @Test func newRequestsWaitForAJobThatIsAwayForAShortTimeOnly() async throws {
    let engine = model.engine(answering: " there")
    try await TestServer.run(engine, configure: { $0.limits.holdTime = .seconds(30) }) { server in
      engine.state = .restarting(reason: "host n2 cannot be reached", attempt: 4)
      engine.outageBegan = .now
      #expect(try await server.chat().status == 200, "taken, and here served at once")
      engine.outageBegan = .now - .seconds(310)
      let refused = try await server.chat()
      #expect(
        refused.status == 503 && refused.errorCode == "engine_restarting" && refused.headers["retry-after"] == "10")
      #expect(refused.text.contains("host n2 cannot be reached"))
      let ready = try await server.get("/ready")
      #expect(ready.status == 503 && (ready.json["seconds"]?.exactInt ?? 0) >= 310)
      #expect(try await server.get("/metrics").text.contains("martinet_outage_seconds 3"))
    }
  }

  @Test func requestsAreRefusedWhileNothingIsServed() async throws {
    let engine = model.engine(answering: " there")
    try await TestServer.run(engine) { server in
      engine.state = .loading(bytes: 0, of: 1)
      let loading = try await server.chat()
      #expect(loading.status == 503 && loading.errorCode == "model_loading" && loading.headers["retry-after"] == "5")
      engine.state = .failed(reason: "no memory")
      let failed = try await server.complete()
      #expect(failed.status == 503 && failed.errorMessage.contains("no memory"))
      // The engine keeps requests until its job is back.
      engine.state = .restarting(reason: "killed", attempt: 1)
      #expect(try await server.chat().status == 200)
      engine.state = .ready
      engine.facts = nil
      #expect(try await server.chat().status == 503)
    }
  }

  @Test func theClusterIsToldInJSON() async throws {
    let engine = model.engine(answering: "x")
    var status = ClusterStatus()
    status.preemptions = 7
    engine.status = status
    try await TestServer.run(engine, configure: { $0.version = "1.2.3" }) { server in
      let cluster = try await server.get("/cluster").json
      #expect(cluster["state"]?["name"] == "ready" && cluster["status"]?["preemptions"] == 7)
      #expect(cluster["facts"]?["maximum_positions"] == 512)
      #expect(try await server.get("/version").json == ["version": "1.2.3"])
    }
  }

  @Test func expertsChangePlacesWhereTheyMay() async throws {
    let engine = model.engine(answering: "x")
    try await TestServer.run(engine, configure: { $0.keys = APIKeys(["secret"]) }) { server in
      let key = ["Authorization: Bearer secret"]
      func ask(_ headers: [String]) async throws -> Connection.Reply {
        try await server.request("POST", "/admin/rebalance", headers: headers)
      }
      #expect(try await ask([]).status == 401, "whoever may generate may do so, and nobody else")
      engine.facts?.rankCount = 2
      engine.facts?.expertCount = 8
      let refused = try await ask(key)
      #expect(refused.status == 409 && refused.errorCode == "experts_stay" && refused.text.contains("--rebalance on"))
      engine.facts?.rankCount = 1
      #expect(try await ask(key).errorMessage.contains("one rank has all experts"))
      engine.facts?.expertCount = 0
      #expect(try await ask(key).errorMessage.contains("dense"))
      #expect(engine.rebalances == 0)
      engine.facts?.movesExperts = true
      let taken = try await ask(key)
      #expect(taken.status == 202 && taken.json["accepted"] == true && engine.rebalances == 1)
      engine.state = .loading(bytes: 0, of: 1)
      #expect(try await ask(key).status == 503)
      #expect(try await server.get("/admin/rebalance", headers: key).status == 405)
      #expect(engine.rebalances == 1)
    }
  }

  @Test func textBecomesTokensAndTokensText() async throws {
    let model = model
    try await TestServer.run(model.engine(answering: "x")) { server in
      let text = "Once upon a time — ☃"
      let tokens = try await server.post("/tokenize", ["prompt": .string(text), "return_token_strs": true]).json
      #expect(tokens["tokens"]?.array?.compactMap { $0.exactInt.map { Int32($0) } } == [0] + model.tokens(text))
      #expect(tokens["token_strs"]?.array?.count == tokens["count"]?.exactInt)
      let plain = try await server.post("/tokenize", ["prompt": .string(text), "add_special_tokens": false]).json
      let back = try await server.post("/detokenize", ["tokens": plain["tokens"] ?? .null])
      #expect(back.json["prompt"]?.string == text)
      let chat = try await server.post("/tokenize", ["messages": [["role": "user", "content": "Once"]]]).json
      #expect(chat["tokens"]?.array?.compactMap { $0.exactInt.map { Int32($0) } } == [0] + model.tokens("Once"))
      #expect(try await server.post("/detokenize", ["tokens": [99999]]).status == 400)
    }
  }
}
