%% Evaluated inside the node of a test (see node.rs). It connects to the test at once, says "ready" when RabbitMQ
%% runs, and then evaluates what the test sends. The connection is the leash too: when it ends, the test has ended,
%% however it did; then the node removes its directory (unless a failed test left "keep" there) and ends at once.
spawn(fun() ->
    {ok, Dir} = file:get_cwd(),
    {ok, Leash} = gen_tcp:connect({local, "test"}, 0, [local, binary, {packet, 4}, {active, false}]),
    Boot = fun Boot() ->
        case (catch rabbit:is_running()) of true -> ok; _ -> timer:sleep(10), Boot() end
    end,
    Boot(),
    %% Else it starts an epmd daemon that outlives us.
    catch supervisor:terminate_child(rabbit_sup, rabbit_epmd_monitor_sup),
    ok = gen_tcp:send(Leash, <<"ready">>),
    Evaluate = fun(Text) ->
        try
            {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            {value, Value, _} = erl_eval:exprs(Expressions, []),
            io_lib:format("~tp", [Value])
        catch Class:Reason:_ ->
            io_lib:format("error: ~tp ~tp", [Class, Reason])
        end
    end,
    Serve = fun Serve() ->
        case gen_tcp:recv(Leash, 0) of
            {ok, Text} ->
                gen_tcp:send(Leash, unicode:characters_to_binary(Evaluate(Text))),
                Serve();
            {error, _} ->
                case filelib:is_regular(filename:join(Dir, "keep")) of
                    true -> ok;
                    %% Again, for what is written meanwhile.
                    false -> [file:del_dir_r(Dir) || _ <- [1, 2, 3]]
                end,
                erlang:halt(0, [{flush, false}])
        end
    end,
    Serve()
end).
