extension ChatPage {
  static let body = #"""
    <header>
      <h1>Martinet</h1>
      <span id="model" class="weak"></span>
      <span id="pill" class="pill" data-state="unknown"><i></i><b id="pill-text">connecting</b></span>
      <nav role="tablist" aria-label="Views">
        <button role="tab" id="tab-chat" aria-controls="chat" aria-selected="true">Chat</button>
        <button role="tab" id="tab-cluster" aria-controls="cluster" aria-selected="false" tabindex="-1">Cluster</button>
      </nav>
    </header>
    <main>
      <section id="chat" aria-label="Chat">
        <div id="log" role="log" aria-live="off" tabindex="0" aria-label="Conversation">
          <div id="welcome">
            <h2>Ask the cluster something</h2>
            <p class="weak">Answers come from the model that all ranks compute together. Enter sends, Shift + Enter begins a line.</p>
          </div>
        </div>
        <div id="spoken" class="unseen" role="status"></div>
        <form id="composer" autocomplete="off">
          <label class="unseen" for="input">Message</label>
          <textarea id="input" rows="1" placeholder="Message" enterkeyhint="send"></textarea>
          <div class="buttons">
            <button type="button" id="settings-button" class="plain" aria-expanded="false" aria-controls="settings">Settings</button>
            <button type="button" id="clear" class="plain">New chat</button>
            <span class="gap"></span>
            <button type="submit" id="send" class="main">Send</button>
            <button type="button" id="stop" class="main" hidden>Stop</button>
          </div>
        </form>
        <div id="settings" hidden>
          <label class="wide">System prompt
            <textarea id="system" rows="2" placeholder="none"></textarea></label>
          <label>Temperature
            <input id="temperature" type="number" min="0" max="2" step="0.1" placeholder="server’s" inputmode="decimal"></label>
          <label>Most tokens
            <input id="max-tokens" type="number" min="1" step="1" placeholder="server’s" inputmode="numeric"></label>
          <label>Seed
            <input id="seed" type="number" min="0" step="1" placeholder="random" inputmode="numeric"></label>
          <label>API key
            <input id="key" type="password" placeholder="none" autocomplete="off" spellcheck="false"></label>
          <p class="weak wide">Kept by this tab until it is closed.</p>
        </div>
      </section>
      <section id="cluster" aria-label="Cluster">
        <div id="notice" role="status" hidden>
          <b id="notice-title"></b>
          <p id="notice-text"></p>
          <div id="loading" class="bar" hidden><i></i></div>
        </div>
        <div id="live">
          <p id="facts" class="weak"></p>
          <dl id="cards"></dl>
          <div class="head"><h2>Generated tokens/s</h2><span id="rate-range" class="weak"></span></div>
          <canvas id="rate" role="img" aria-label="Tokens per second of the last minutes"></canvas>
          <div class="head"><h2>Ranks</h2><span class="weak">the last ten seconds</span></div>
          <div id="keys" class="keys"></div>
          <ul id="ranks"></ul>
          <div id="experts">
            <div class="head"><h2>Load of experts</h2>
              <label class="unseen" for="heat-span">Visits counted</label>
              <select id="heat-span" class="weak">
                <option value="recent">last minute</option>
                <option value="all">since the start</option></select></div>
            <div id="heat-frame">
              <canvas id="heat" tabindex="0" role="img"></canvas>
              <div id="heat-mark" hidden></div>
              <div id="heat-tip" aria-hidden="true" hidden></div>
            </div>
            <div id="heat-scale"><span>0</span><canvas></canvas><span>4 or more × the layer’s mean</span></div>
            <p id="heat-top" class="weak"></p>
            <div id="heat-words" class="unseen" role="status"></div>
          </div>
        </div>
      </section>
    </main>
    """#
}
