extension ChatPage {
  static let style = #"""
    :root {
      color-scheme: light dark;
      --ink: #1b1e24; --weak: #5b6270; --paper: #fff; --card: #f4f5f7; --rule: #dfe2e7; --track: #e6e8ec;
      --accent: #b93c07; --on-accent: #fff; --mine: #fbeee7; --bad: #b3261e; --bad-card: #fdecea; --good: #1f7a35; --busy: #8a5a00;
      --attention: #4269d0; --experts: #3ca951; --communication: #efb118; --waiting: #ff725c; --other: #9498a0;
      --use: #7340ab; --cached: #b392da; --line: #d9480f;
      --heat-0: #f3f4f6; --heat-1: #fcd9b6; --heat-2: #f08a3c; --heat-3: #c23b06; --heat-4: #5e1503;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --ink: #e8eaee; --weak: #a3aab6; --paper: #15171c; --card: #1f2229; --rule: #333842; --track: #2d323b;
        --accent: #ff9458; --on-accent: #1d1006; --mine: #33241b; --bad: #ff9d94; --bad-card: #3a1f1d; --good: #6fd08a; --busy: #f0bd59;
        --attention: #6d90ee; --experts: #4fbf65; --other: #7d828b;
        --use: #c39cf0; --cached: #7a58a8; --line: #ff8a4c;
        --heat-0: #20242b; --heat-1: #5a2411; --heat-2: #b8430d; --heat-3: #ff9a4d; --heat-4: #fff1d6;
      }
    }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    html, body { height: 100%; }
    body {
      margin: 0; display: flex; flex-direction: column; height: 100dvh;
      font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
    }
    h1, h2, p, dl, dd, ul { margin: 0; padding: 0; }
    h1 { font-size: 17px; } h2 { font-size: 15px; }
    .weak { color: var(--weak); font-size: 13px; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .gap { flex: 1; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
    button, input, textarea, select { font: inherit; color: inherit; }
    input, textarea, select { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px; padding: 6px 9px; }
    button { border: 0; border-radius: 8px; padding: 6px 12px; background: var(--card); cursor: pointer; }
    button.main { background: var(--accent); color: var(--on-accent); font-weight: 600; padding: 6px 18px; }
    button.plain { background: none; color: var(--weak); padding: 6px 8px; }
    button.plain:hover { color: var(--ink); }
    button:disabled { opacity: .5; cursor: default; }

    header {
      display: flex; align-items: center; gap: 4px 14px; flex-wrap: wrap; padding: 10px 20px; border-bottom: 1px solid var(--rule);
    }
    #model { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
    .pill { display: inline-flex; align-items: center; gap: 7px; font-size: 13px; margin-left: auto; }
    .pill b { font-weight: 500; }
    .pill i { width: 9px; height: 9px; border-radius: 50%; background: var(--other); }
    .pill[data-state=ready] i { background: var(--good); }
    .pill[data-state=loading] i, .pill[data-state=restarting] i { background: var(--busy); }
    .pill[data-state=failed] i, .pill[data-state=stopped] i, .pill[data-state=lost] i { background: var(--bad); }
    nav { display: none; gap: 4px; width: 100%; }
    nav button { flex: 1; background: none; color: var(--weak); border-radius: 8px; }
    nav button[aria-selected=true] { background: var(--card); color: var(--ink); font-weight: 600; }

    main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 560px); }
    #chat { display: flex; flex-direction: column; min-height: 0; min-width: 0; }
    #log { flex: 1; overflow-y: auto; padding: 20px max(20px, calc(50% - 370px)); display: flex; flex-direction: column; gap: 18px; }
    #welcome { margin: auto; text-align: center; max-width: 400px; } #welcome h2 { font-size: 20px; margin-bottom: 6px; }
    .mine { align-self: flex-end; max-width: 85%; background: var(--mine); border-radius: 14px 14px 4px 14px; padding: 8px 14px; }
    .mine, .text { white-space: pre-wrap; overflow-wrap: anywhere; }
    .answer { min-width: 0; }
    .text code { background: var(--card); border-radius: 4px; padding: 1px 4px; font: 13px/1.5 ui-monospace, monospace; }
    .text pre { background: var(--card); border-radius: 8px; padding: 10px 14px; margin: 8px 0; overflow-x: auto; white-space: pre; }
    .text pre code { background: none; padding: 0; }
    .text > * { margin: 0 0 10px; } .text > :last-child { margin-bottom: 0; }
    .text :is(h3, h4, h5, h6) { font-size: 15px; line-height: 1.35; margin: 14px 0 6px; } .text h3 { font-size: 18px; } .text h4 { font-size: 16px; }
    .text > :first-child { margin-top: 0; }
    .text :is(ul, ol) { padding-left: 24px; } .text li > :is(ul, ol, pre, blockquote, .table) { margin: 2px 0; } .text li > p { margin: 4px 0; }
    .text li.task { list-style: none; margin-left: -20px; }
    .text blockquote { border-left: 3px solid var(--rule); padding-left: 12px; color: var(--weak); }
    .text blockquote > * { margin: 0 0 6px; }
    .text hr { border: 0; border-top: 1px solid var(--rule); height: 0; width: 100%; }
    .text a { color: var(--accent); }
    .table { overflow-x: auto; } .table table { border-collapse: collapse; white-space: normal; overflow-wrap: normal; }
    .table :is(th, td) { border: 1px solid var(--rule); padding: 4px 10px; text-align: left; } .table th { background: var(--card); }
    .table .right { text-align: right; font-variant-numeric: tabular-nums; } .table .center { text-align: center; }
    .mine.unsent { background: none; border: 1px dashed var(--bad); color: var(--weak); }
    .mine.unsent::after { content: "not part of the conversation"; display: block; font-size: 12px; color: var(--bad); }
    .parting { text-align: center; font-size: 13px; color: var(--weak); border-top: 1px solid var(--rule); padding-top: 6px; }
    .answer.under-way .text:is(:empty, :not(:has(> :is(p, ul, ol):last-child)))::after, .answer.under-way .text > p:last-child::after,
    .answer.under-way .text > :is(ul, ol):last-child > li:last-child::after { content: "▍"; color: var(--accent); animation: blink 1s steps(2) infinite; }
    @keyframes blink { to { opacity: 0; } }
    @media (prefers-reduced-motion: reduce) { * { animation: none !important; } }
    .thought { border-left: 3px solid var(--rule); padding-left: 12px; margin-bottom: 8px; color: var(--weak); font-size: 14px; }
    .thought summary { cursor: pointer; } .thought div { white-space: pre-wrap; overflow-wrap: anywhere; margin-top: 4px; }
    .foot { display: flex; flex-wrap: wrap; align-items: center; gap: 0 12px; color: var(--weak); font-size: 13px; margin-top: 4px; min-height: 30px; }
    .foot button { font-size: 13px; padding: 3px 8px; }
    .foot button.plain:first-child { padding-left: 0; }
    .error { background: var(--bad-card); color: var(--bad); border-radius: 8px; padding: 8px 14px; margin-top: 6px; overflow-wrap: anywhere; }

    #composer { margin: 0 max(20px, calc(50% - 370px)) 14px; border: 1px solid var(--rule); border-radius: 14px; padding: 8px; background: var(--card); }
    #composer:focus-within { border-color: var(--accent); }
    #input { width: 100%; border: 0; background: none; resize: none; max-height: 40vh; outline: none; display: block; }
    .buttons { display: flex; align-items: center; gap: 4px; margin-top: 4px; }
    #settings {
      display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px; padding: 0 max(20px, calc(50% - 370px)) 14px;
    }
    #settings label { font-size: 13px; color: var(--weak); }
    #settings input, #settings textarea { display: block; width: 100%; margin-top: 2px; color: var(--ink); font-size: 14px; }
    #settings .wide { grid-column: 1 / -1; } #settings textarea { resize: vertical; }
    :is(input, textarea)::placeholder { color: var(--weak); opacity: 1; }
    #settings input:invalid { border-color: var(--bad); }

    #cluster { border-left: 1px solid var(--rule); overflow-y: auto; padding: 18px 20px 30px; min-width: 0; }
    #notice { background: var(--card); border-radius: 10px; padding: 12px 16px; margin-bottom: 16px; overflow-wrap: anywhere; }
    #notice.bad { background: var(--bad-card); } #notice.bad b { color: var(--bad); }
    #live.old { opacity: .7; }
    .head { display: flex; align-items: baseline; gap: 10px; justify-content: space-between; margin: 22px 0 6px; }
    #cards { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; margin-top: 10px; }
    #cards div { background: var(--card); border-radius: 8px; padding: 7px 12px; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
    #cards dt { color: var(--weak); font-size: 12px; line-height: 1.3; }
    #cards dd { font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
    #rate { width: 100%; height: 76px; display: block; }
    .keys { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; color: var(--weak); margin-bottom: 6px; }
    .keys i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
    #ranks { list-style: none; }
    #ranks li { border-top: 1px solid var(--rule); padding: 8px 0; }
    .who { display: flex; gap: 8px; align-items: baseline; font-size: 13px; }
    .who b { white-space: nowrap; } .who .host { color: var(--weak); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1; }
    .who span { white-space: nowrap; font-variant-numeric: tabular-nums; }
    .measure { display: grid; grid-template-columns: 42px minmax(0, 1fr) 92px; gap: 8px; align-items: center; font-size: 12px; color: var(--weak); }
    .measure span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
    .bar { height: 10px; border-radius: 3px; background: var(--track); overflow: hidden; display: flex; }
    .bar i { display: block; height: 100%; flex: none; }
    #loading { margin-top: 8px; } #loading i { background: var(--accent); }
    #heat-frame { position: relative; }
    #heat { width: 100%; display: block; }
    #heat-mark { position: absolute; border: 2px solid var(--ink); box-shadow: 0 0 0 1px var(--paper); pointer-events: none; border-radius: 2px; }
    #heat-tip {
      position: absolute; z-index: 1; pointer-events: none; background: var(--ink); color: var(--paper); font-size: 12px; line-height: 1.35;
      border-radius: 6px; padding: 5px 9px; width: max-content; max-width: 220px;
    }
    #heat-scale { display: flex; gap: 8px; align-items: center; font-size: 12px; color: var(--weak); margin: 8px 0 4px; }
    #heat-scale canvas { width: 140px; height: 10px; border-radius: 2px; }

    @media (max-width: 1000px) {
      main { display: block; } main > section { height: 100%; }
      nav { display: flex; }
      body[data-view=chat] #cluster, body[data-view=cluster] #chat { display: none; }
      #cluster { border: 0; max-width: 640px; margin: auto; }
    }
    @media (max-width: 560px) {
      header { padding: 8px 14px; } #log { padding: 14px; } #composer { margin: 0 10px 10px; } #cluster { padding: 14px 14px 30px; }
      #settings { grid-template-columns: repeat(2, minmax(0, 1fr)); padding: 0 14px 12px; }
      #cards { grid-template-columns: repeat(2, minmax(0, 1fr)); }
      #model { order: 3; flex-basis: 100%; } nav { order: 4; }
      input, textarea, select { font-size: 16px !important; }
    }
    @media (max-height: 480px) { #settings textarea { height: 2.6em; } }
    """#
}
